"""Executor of ImageExampleGen, on Beam: files -> pixels -> tf.Examples -> shards of the splits.

The same files and options give the same bytes with any runner and any number of workers: hashes
determine the shard of an image, its position in the shard and its split.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.image_example_gen import names
from components.image_example_gen import report as reports
from components.image_example_gen.decode import RejectedImage, decode
from components.image_example_gen.example import Row, to_row
from components.image_example_gen.files import ImageFile, open_image
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shards import WriteShard, complete_file, shard_count
from components.image_example_gen.spans import ImageSource, holdout_source, parse_window
from components.progress import DECODED, counted, expect
from trainer import examples

FILES_PER_BATCH = 64
NOTES = "notes"  # output of the decoding
# Pillow releases the interpreter lock while it decodes, resizes and encodes. There are few threads
# because each may hold an image of max_pixels.
DECODE_THREADS = min(4, os.cpu_count() or 1)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes the splits and the report on rejected files."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Converts the files of the window to the examples artifact.

        Args:
            input_dict: empty.
            output_dict: `examples`, one Examples artifact.
            exec_properties: `input_base`, the data folder; `window`, as the driver resolved it;
                `holdout`, the held-out folder or empty; `image_options`.

        Raises:
            ImageDataError: no images, too many rejected files, or an empty split.
        """
        # TFX's components take seconds to import, and `write_examples` needs none of them.
        from tfx.components.util import examples_utils

        self._log_startup(input_dict, output_dict, exec_properties)
        options = ImageOptions.model_validate_json(exec_properties[names.IMAGE_OPTIONS])
        window = parse_window(exec_properties[names.WINDOW])
        holdout = exec_properties[names.HOLDOUT]
        splits = [examples.TRAIN, examples.EVAL, *([examples.HOLDOUT] if holdout else [])]
        artifact = artifact_utils.get_single_instance(output_dict[names.EXAMPLES])
        artifact.split_names = artifact_utils.encode_split_names(splits)
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        artifact.set_string_custom_property(
            names.SPANS, json.dumps([span.number for span in window])
        )
        report = write_examples(
            self._make_beam_pipeline(),
            ImageSource(exec_properties[names.INPUT_BASE], window),
            options,
            artifact.uri,
            {split: artifact_utils.get_split_uri([artifact], split) for split in splits},
            holdout=holdout_source(holdout) if holdout else None,
        )
        for name in names.COUNTS:
            artifact.set_int_custom_property(name, report[name])
        artifact.set_string_custom_property(names.REMARKS, json.dumps(reports.remarks(report)))


def write_examples(
    pipeline: beam.Pipeline,
    source: ImageSource,
    options: ImageOptions,
    output: str,
    split_folders: Mapping[str, str],
    split_salt: str = "",
    holdout: ImageSource | None = None,
) -> dict[str, Any]:
    """Converts image files to examples and writes the report.

    Args:
        pipeline: an empty pipeline, which this function runs.
        source: the data.
        options: how each image is converted.
        output: folder of the report.
        split_folders: folders of the examples, by split.
        split_salt: as in `example.split_of`.
        holdout: images of the split holdout; equal images in the data are excluded from train.

    Returns:
        The report, as `report.make_report` makes it.

    Raises:
        ImageDataError: no images, too many rejected files, or an empty split.
    """
    partial = os.path.join(output, ".partial")
    for path in (*split_folders.values(), partial):
        fileio.makedirs(path)
    sources = [source, *([holdout] if holdout else [])]
    files = sum(len(each.list_files()) for each in sources)
    skipped = sum((each.count_other_files() for each in sources), Counter())
    shards = shard_count(files, options)
    report_path = os.path.join(output, names.REJECTED_JSON)
    with pipeline:
        expect(DECODED, files)
        images = [
            pipeline | f"Read[{index}]" >> ReadImages(each, options, split_salt)
            for index, each in enumerate(sources)
        ]
        rows = [each.rows for each in images] | "Rows" >> beam.Flatten()
        rejected = [each.rejected for each in images] | "Rejected" >> beam.Flatten()
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
        notes = (
            [each.notes for each in images]
            | "Notes" >> beam.Flatten()
            | "CountNotes" >> beam.combiners.Count.PerElement()
        )
        spans = (
            (
                images[0].rows | beam.Map(lambda row: (row.span, names.ACCEPTED)),
                images[0].rejected | beam.Map(lambda file: (file[2], names.REJECTED)),
            )
            | "BySpan" >> beam.Flatten()
            | "CountBySpan" >> beam.combiners.Count.PerElement()
        )
        first = (
            rejected
            | "Named" >> beam.Map(lambda file: file[:2])
            | "FirstRejected" >> beam.combiners.Top.Smallest(reports.MAX_REJECTED_FILES)
        )
        _ = first | "WriteReport" >> beam.Map(
            write_report,
            beam.pvalue.AsDict(counts),
            beam.pvalue.AsDict(reasons),
            beam.pvalue.AsDict(spans),
            beam.pvalue.AsDict(notes),
            skipped,
            list(split_folders),
            report_path,
            partial,
        )
    fileio.rmtree(partial)

    with fileio.open(report_path) as file:
        report = json.load(file)
    for path, reason in report["rejected_files"]:
        # JSON, because a file name may contain line breaks. TFX deletes the report of a failed run.
        logging.info("Rejected: %s", json.dumps([path, reason]))
    for remark in reports.remarks(report):
        logging.info("%s", remark)
    reports.check_report(report, source.folder, options)
    logging.info("%s", {name: report[name] for name in names.COUNTS})
    return report


class ReadImages(beam.PTransform):
    """Reads the images of a source: `rows`, the `notes` on them, and `rejected` files.

    A rejected file is (path, reason, span).
    """

    def __init__(self, source: ImageSource, options: ImageOptions, split_salt: str) -> None:
        super().__init__()
        self._source = source
        self._decode = DecodeFiles(source, options, split_salt)

    def expand(self, root: beam.Pipeline) -> beam.pvalue.DoOutputsTuple:
        """Applies the transform to a pipeline."""
        return (
            root
            | "Source" >> beam.Create([self._source])
            | "ListFiles" >> beam.FlatMap(batches_of_files)
            # Otherwise one worker would list and decode all files.
            | "SpreadFiles" >> beam.Reshuffle()
            | "Decode" >> beam.ParDo(self._decode).with_outputs(names.REJECTED, NOTES, main="rows")
        )


class DecodeFiles(beam.DoFn):
    """Decodes batches of files to rows; further outputs as in ReadImages."""

    def __init__(self, source: ImageSource, options: ImageOptions, split_salt: str = "") -> None:
        super().__init__()
        self._source = source
        self._options = options
        self._split_salt = split_salt

    def setup(self) -> None:
        """Starts the threads, which cannot be pickled."""
        self._threads = ThreadPoolExecutor(DECODE_THREADS)

    def teardown(self) -> None:
        """Stops the threads."""
        self._threads.shutdown()

    def process(self, batch: list[ImageFile]) -> Iterator[Any]:
        """Decodes a batch."""
        with counted(DECODED, len(batch)):
            results = list(self._threads.map(self._to_row, batch))
        for file, result in zip(batch, results, strict=True):
            if isinstance(result, str):
                yield beam.pvalue.TaggedOutput(names.REJECTED, (file.path, result, file.span))
            else:
                row, notes = result
                yield row
                yield from (beam.pvalue.TaggedOutput(NOTES, note) for note in notes)

    def _to_row(self, file: ImageFile) -> tuple[Row, tuple[str, ...]] | str:
        if file.problem:
            return file.problem
        try:
            with open_image(self._source.folder, file.path) as stream:
                image = decode(stream, self._options)
            return to_row(file, image, self._source, self._options, self._split_salt), image.notes
        except RejectedImage as reason:
            return str(reason)
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        except tf.errors.OpError:  # raised for remote folders
            return "cannot be read"


def batches_of_files(source: ImageSource) -> Iterator[list[ImageFile]]:
    """Lists the files of the source in batches of FILES_PER_BATCH."""
    files = source.list_files()
    for start in range(0, len(files), FILES_PER_BATCH):
        yield files[start : start + FILES_PER_BATCH]


def write_report(
    rejected_files: list[tuple[str, str]],
    counts: Mapping[str, int],
    reasons: Mapping[str, int],
    spans: Mapping[tuple[int, str], int],
    notes: Mapping[str, int],
    skipped: Mapping[str, int],
    splits: Sequence[str],
    path: str,
    partial: str,
) -> None:
    """Writes the report as JSON, atomically."""
    by_span: dict[int, dict[str, int]] = defaultdict(lambda: {names.ACCEPTED: 0, names.REJECTED: 0})
    for (span, kind), count in spans.items():
        by_span[span][kind] = count
    report = reports.make_report(counts, splits, reasons, by_span, rejected_files, notes, skipped)
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "w") as file:
        file.write(reports.to_json(report))
