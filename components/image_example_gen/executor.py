"""The work of ImageExampleGen, on Beam: files -> pixels -> tf.Examples -> shards of two splits.

The same files and options give the same bytes, whatever the runner and its number of workers: an
image's shard, its place in the shard and its split all follow from hashes.
"""

import dataclasses
import itertools
import json
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.image_example_gen import report as reports
from components.image_example_gen.decode import RejectedImage, decode
from components.image_example_gen.example import Row, to_row
from components.image_example_gen.files import ImageFile, list_images, open_image
from components.image_example_gen.options import ImageOptions
from components.progress import DECODED, counted
from trainer import examples

IMAGE_OPTIONS_KEY = "image_options"  # execution property: ImageOptions as JSON

FILES_PER_BATCH = 64
# Pillow lets go of the interpreter lock while it decodes, resizes and encodes. Not one thread a
# core on large machines, since each may hold an image of max_pixels.
DECODE_THREADS = min(4, os.cpu_count() or 1)
# A shard is sorted in memory: at most about this many images, and this many bytes of pixels.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20

REJECTED = "rejected"
DUPLICATES = "duplicates"
LEFT_OUT = "left_out"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes the splits train and eval, and the report on rejected files beside them."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Turns the files below the folder into the examples artifact.

        Args:
            input_dict: nothing.
            output_dict: `examples`, one Examples artifact.
            exec_properties: `input_base` and `input_config`, whose one split holds the pattern of
                the folder below it, resolved by the driver; `image_options`.

        Raises:
            ImageDataError: no images, too many rejected files, or an empty split.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        options = ImageOptions.model_validate_json(exec_properties[IMAGE_OPTIONS_KEY])
        folder = image_folder(exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        artifact.split_names = artifact_utils.encode_split_names([examples.TRAIN, examples.EVAL])
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        split_folders = {
            split: artifact_utils.get_split_uri([artifact], split)
            for split in (examples.TRAIN, examples.EVAL)
        }
        report = write_examples(
            self._make_beam_pipeline(), folder, options, artifact.uri, split_folders
        )
        for name in reports.COUNTS:
            artifact.set_int_custom_property(name, report[name])


def write_examples(
    pipeline: beam.Pipeline,
    folder: str,
    options: ImageOptions,
    output: str,
    split_folders: dict[str, str],
    split_salt: str = "",
) -> dict[str, Any]:
    """Turns the files below a folder into examples, and writes the report beside them.

    Args:
        pipeline: empty; it is run.
        folder: of the images.
        options: what becomes of each image.
        output: folder of the report.
        split_folders: of the examples, by split: train and eval. A single one gets all images.
        split_salt: as of `example.split_of`.

    Returns:
        The report, as `report.make_report` makes it.

    Raises:
        ImageDataError: no images, too many rejected files, or an empty split.
    """
    partial = os.path.join(output, ".partial")
    for path in (*split_folders.values(), partial):
        fileio.makedirs(path)
    shards = shard_count(len(list_images(folder)), options)
    report_path = os.path.join(output, reports.FILE_NAME)
    with pipeline:
        rows, rejected = (
            pipeline
            | "Folder" >> beam.Create([folder])
            | "ListFiles" >> beam.FlatMap(batches_of_files)
            # Else one worker would decode all that this one step lists.
            | "SpreadFiles" >> beam.Reshuffle()
            | "Decode"
            >> beam.ParDo(DecodeFiles(folder, options, split_salt)).with_outputs(
                REJECTED, main="rows"
            )
        )
        if len(split_folders) == 1:
            (split,) = split_folders
            rows |= "OneSplit" >> beam.Map(dataclasses.replace, split=split)
        counts = (
            rows
            | "ByShard" >> beam.Map(lambda row: (int(row.sha256[:15], 16) % shards, row))
            | "Shards" >> beam.GroupByKey()
            | "WriteShards" >> beam.ParDo(WriteShard(split_folders, partial, shards))
            | "SumCounts" >> beam.CombinePerKey(sum)
        )
        reasons = (
            rejected
            | "Reasons" >> beam.Map(lambda file: file[1])
            | "CountReasons" >> beam.combiners.Count.PerElement()
        )
        first = rejected | "FirstRejected" >> beam.combiners.Top.Smallest(
            reports.MAX_REJECTED_FILES
        )
        _ = first | "WriteReport" >> beam.Map(
            write_report,
            beam.pvalue.AsDict(counts),
            beam.pvalue.AsDict(reasons),
            list(split_folders),
            report_path,
            partial,
        )
    fileio.rmtree(partial)

    with fileio.open(report_path) as file:
        report = json.load(file)
    for path, reason in report["rejected_files"]:
        # As JSON: a file's name cannot break a line. TFX deletes the report of a failed run.
        logging.info("Rejected: %s", json.dumps([path, reason]))
    reports.check_report(report, folder, options)
    logging.info("%s", {name: report[name] for name in reports.COUNTS})
    return report


class DecodeFiles(beam.DoFn):
    """Batches of files to rows; what is no good image goes to REJECTED as (path, reason)."""

    def __init__(self, folder: str, options: ImageOptions, split_salt: str = "") -> None:
        super().__init__()
        self._folder = folder
        self._options = options
        self._split_salt = split_salt

    def setup(self) -> None:
        """Starts the threads; they do not travel to workers."""
        self._threads = ThreadPoolExecutor(DECODE_THREADS)

    def teardown(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    def process(self, batch: list[ImageFile]) -> Iterator[Any]:
        """Decodes a batch."""
        with counted(DECODED, len(batch)):
            results = list(self._threads.map(self._to_row, batch))
        for file, result in zip(batch, results, strict=True):
            if isinstance(result, Row):
                yield result
            else:
                yield beam.pvalue.TaggedOutput(REJECTED, (file.path, result))

    def _to_row(self, file: ImageFile) -> Row | str:
        if file.problem:
            return file.problem
        try:
            with open_image(self._folder, file.path) as stream:
                return to_row(file, decode(stream, self._options), self._options, self._split_salt)
        except RejectedImage as reason:
            return str(reason)
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        except tf.errors.OpError:  # what remote folders raise
            return "cannot be read"


class WriteShard(beam.DoFn):
    """One shard to a file in each split; yields the counts of the report."""

    def __init__(self, split_folders: dict[str, str], partial: str, shards: int) -> None:
        super().__init__()
        self._split_folders = split_folders
        self._partial = partial
        self._shards = shards

    def process(self, shard: tuple[int, Iterable[Row]]) -> Iterator[tuple[str, int]]:
        """Sorts and writes a shard."""
        index, rows = shard[0], sorted(shard[1])
        yield DUPLICATES, sum(a.sha256 == b.sha256 for a, b in itertools.pairwise(rows))
        # Equal pixels in two groups (group_pattern): what is held out is not trained on.
        held_out = {row.sha256 for row in rows if row.split == examples.EVAL}
        kept = [row for row in rows if row.split == examples.EVAL or row.sha256 not in held_out]
        yield LEFT_OUT, len(rows) - len(kept)
        for split, folder in self._split_folders.items():
            records = [row.example for row in kept if row.split == split]
            name = f"data_tfrecord-{index:05}-of-{self._shards:05}.gz"
            write_records(os.path.join(folder, name), records, self._partial)
            yield split, len(records)


def image_folder(exec_properties: dict[str, Any]) -> str:
    """The folder that holds the images: the pattern of the one input split below `input_base`."""
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config)
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    return os.path.join(base, config.splits[0].pattern)


def shard_count(files: int, options: ImageOptions) -> int:
    """The number of shards for so many files."""
    image_bytes = options.resolution**2 * options.channels
    return math.ceil(files / min(IMAGES_PER_SHARD, BYTES_PER_SHARD // image_bytes))


def batches_of_files(folder: str) -> Iterator[list[ImageFile]]:
    """Lists the files below the folder, FILES_PER_BATCH at a time."""
    files = list_images(folder)
    for start in range(0, len(files), FILES_PER_BATCH):
        yield files[start : start + FILES_PER_BATCH]


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file, which is at its path either whole or not at all."""
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    # TFX's readers expect gzip, but PNG does not get smaller: level 0 stores it as it is.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with tf.io.TFRecordWriter(unfinished, gzip) as writer:
        for record in records:
            writer.write(record)
    fileio.rename(unfinished, path, overwrite=True)


def write_report(
    rejected_files: list[tuple[str, str]],
    counts: dict[str, int],
    reasons: dict[str, int],
    splits: Sequence[str],
    path: str,
    partial: str,
) -> None:
    """Writes the report as JSON, whole or not at all."""
    report = reports.make_report(
        {split: counts.get(split, 0) for split in splits},
        counts.get(DUPLICATES, 0),
        counts.get(LEFT_OUT, 0),
        reasons,
        rejected_files,
    )
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    with fileio.open(unfinished, "w") as file:
        file.write(reports.to_json(report))
    fileio.rename(unfinished, path, overwrite=True)
