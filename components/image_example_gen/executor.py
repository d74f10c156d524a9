"""Executor of ImageExampleGen, on Beam: files -> pixels -> tf.Examples -> shards of the splits.

Beam shuffles where an example is, not the example (shuffle/parts.py).
The same files and options give the same bytes with any runner and any number of workers: hashes
determine the shard of an image, its position in the shard and its split.
"""

import functools
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from absl import logging
from tfx import types
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.beam_executor import BeamExecutor
from components.image_example_gen import names
from components.image_example_gen import report as reports
from components.image_example_gen.copies import count_copies
from components.image_example_gen.errors import find_storage_error
from components.image_example_gen.example import split_of
from components.image_example_gen.near_duplicates.decided import (
    EARLIER,
    read_earlier,
    write_decided,
)
from components.image_example_gen.near_duplicates.stage import FindNearDuplicates
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import SAME_PIXELS
from components.image_example_gen.shuffle.convert import convert
from components.image_example_gen.shuffle.decoding import NOTES, REASONS, DecodeParts
from components.image_example_gen.shuffle.files import INDEX, PARTIAL, complete_file
from components.image_example_gen.shuffle.plan import make_plan
from components.image_example_gen.shuffle.shards import USES, WriteShards
from components.image_example_gen.source_decode import of_any_size
from components.image_example_gen.spans import ImageSource, holdout_source, unpaired_sources
from components.image_example_gen.windows import parse_window
from trainer import examples
from trainer.common.signals import raise_stop

# The splits of sources that are not paired with images, by those of images.
SOURCE_SPLITS = {examples.TRAIN: examples.SOURCE_TRAIN, examples.EVAL: examples.SOURCE_EVAL}


class Executor(BeamExecutor):
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
                `holdout`, the held-out folder, or empty; `source`, `holdout_source` and
                `unpaired_source`, the folders of sources, or empty; `image_options`.

        Raises:
            ImageDataError: no images, too many rejected files, an empty split, or all sources are
                equal to their images, or where they are not paired, to some images.
        """
        # TFX's components take seconds to import, and `write_examples` needs none of them.
        from tfx.components.example_gen import utils
        from tfx.components.util import examples_utils

        self._log_startup(input_dict, output_dict, exec_properties)
        options = ImageOptions.model_validate_json(exec_properties[names.IMAGE_OPTIONS])
        window = parse_window(exec_properties[names.WINDOW])
        images = ImageSource(
            exec_properties[names.INPUT_BASE], window, sources=exec_properties[names.SOURCE]
        )
        holdout, unpaired = exec_properties[names.HOLDOUT], exec_properties[names.UNPAIRED_SOURCE]
        splits = [examples.TRAIN, examples.EVAL, *([examples.HOLDOUT] if holdout else [])]
        of_sources = list(SOURCE_SPLITS.values()) if unpaired else []
        artifact = artifact_utils.get_single_instance(output_dict[names.EXAMPLES])
        artifact.split_names = artifact_utils.encode_split_names([*splits, *of_sources])
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        spans = json.dumps([span.number for span in window])
        artifact.set_string_custom_property(names.SPANS, spans)
        code = exec_properties.get("source_hash", "")
        found = exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME, "")
        # Without a hash of the code, what other code decoded could not be told apart.
        earlier = _earlier_artifacts(artifact.uri) if code else []
        report = write_examples(
            self._make_beam_pipeline(),
            images,
            options,
            artifact.uri,
            {split: artifact_utils.get_split_uri([artifact], split) for split in splits},
            holdout=holdout_source(holdout, exec_properties[names.HOLDOUT_SOURCE])
            if holdout
            else None,
            code=code,
            earlier=earlier,
            fingerprint=found,
        )
        same = report["notes"].get(SAME_PIXELS, 0)
        reports.check_copies(same, report, images.sources)
        remarks = reports.remarks(report, artifact.uri)
        if unpaired:
            output = os.path.join(artifact.uri, names.SOURCES_FOLDER)
            of_unpaired = write_examples(
                self._make_beam_pipeline(),
                unpaired_sources(unpaired, images.folder),
                of_any_size(options),
                output,
                {
                    split: artifact_utils.get_split_uri([artifact], name)
                    for split, name in SOURCE_SPLITS.items()
                },
                code=code,
                earlier=[os.path.join(each, names.SOURCES_FOLDER) for each in earlier],
                fingerprint=found,
            )
            copies = count_copies(artifact.uri, output)
            reports.check_copies(copies, of_unpaired, unpaired)
            remarks += reports.remarks_on_sources(of_unpaired, output, copies)
        for name in names.COUNTS:
            artifact.set_int_custom_property(name, report[name])
        artifact.set_string_custom_property(names.REMARKS, json.dumps(remarks))


def write_examples(
    pipeline: beam.Pipeline,
    source: ImageSource,
    options: ImageOptions,
    output: str,
    split_folders: Mapping[str, str],
    split_salt: str = "",
    holdout: ImageSource | None = None,
    *,
    code: str = "",
    earlier: Sequence[str] = (),
    fingerprint: str = "",
) -> dict[str, Any]:
    """Converts image files to examples and writes the report.

    Args:
        pipeline: an empty pipeline, which this function runs.
        source: the data.
        options: how each image is converted.
        output: folder of the report.
        split_folders: folders of the examples, by split.
        split_salt: as in `example.split_of`.
        holdout: images of the split holdout; equal images in the data, and those of the same
            group of group_pattern, are excluded from train.
        code: hash of the code; what other code has decoded is not used.
        earlier: folders of artifacts, finished or not, whose examples are used again where the
            files, the options and the code are the same; the first ones are preferred.
        fingerprint: of the files that the driver has found; empty without a driver.

    Returns:
        The report, as `report.make_report` makes it.

    Raises:
        ImageDataError: no images, too many rejected files, or an empty split.
        StorageError: the storage of the images does not answer, or refuses the credentials.
    """
    for folder in (*split_folders.values(), os.path.join(output, INDEX)):
        # After a database was restored, those of an execution that it has forgotten are there.
        if fileio.exists(folder):
            fileio.rmtree(folder)
        fileio.makedirs(folder)
    report_path = os.path.join(output, names.REJECTED_JSON)
    sources = [source, *([holdout] if holdout else [])]
    uses = [*split_folders, reports.IN_HOLDOUT, names.REJECTED]
    with _partial_folder(output) as partial:
        plan = make_plan(sources, options, split_salt, uses, code, partial, earlier, fingerprint)
        decode = DecodeParts(plan.sources, options, split_salt, uses, partial)
        split = functools.partial(split_of, eval_percent=options.eval_percent, salt=split_salt)
        write = WriteShards(output, split_folders, uses, partial, plan.taken, plan.shards, split)
        find = None
        if options.near_duplicates != "off" and source.split is None:
            write_decided(os.path.join(partial, EARLIER), partial, read_earlier(earlier))
            find = FindNearDuplicates(
                output, options, split_salt, uses, partial, plan.taken, EARLIER
            )
        with pipeline:
            rejected, counts = convert(
                pipeline, plan, decode, find, write, group=options.near_duplicates == "group"
            )
            _ = rejected | "WriteReport" >> beam.Map(
                write_report,
                beam.pvalue.AsDict(counts),
                plan.skipped,
                list(split_folders),
                report_path,
                partial,
            )

    with fileio.open(report_path) as file:
        report = json.load(file)
    for path, reason in report["rejected_files"]:
        # JSON, because a file name may contain line breaks. TFX deletes the report of a failed run.
        logging.info("Rejected: %s", json.dumps([path, reason]))
    for remark in reports.remarks(report):
        logging.info("%s", remark)
    reports.check_report(report, source.root, options, source.window[-1].folder)
    logging.info("%s", {name: report[name] for name in names.COUNTS})
    return report


@contextmanager
def _partial_folder(output: str) -> Iterator[str]:
    """Yields the new folder for what is unfinished, which is removed unless the run is stopped."""
    partial = os.path.join(output, PARTIAL)
    fileio.makedirs(partial)
    try:
        yield partial
    except Exception as error:
        raise_stop(error)  # no failure, after which TFX would remove the output
        fileio.rmtree(partial)
        if unreachable := find_storage_error(error):
            raise unreachable from error
        raise
    fileio.rmtree(partial)


def _earlier_artifacts(uri: str) -> list[str]:
    """The artifacts beside which this one is, of finished and killed runs; the newest first.

    Retention removes them.
    """
    parent = os.path.dirname(uri.rstrip("/"))
    try:
        names = [name.rstrip("/") for name in fileio.listdir(parent)]
    except OSError:  # in a bucket, a folder without objects does not exist
        return []
    # The names are numbers of executions.
    return [
        os.path.join(parent, name)
        for name in sorted(names, key=lambda name: (len(name), name), reverse=True)
    ]


def write_report(
    rejected_files: list[tuple[str, str]],
    counts: Mapping[tuple[str, str], int],
    skipped: Mapping[str, int],
    splits: Sequence[str],
    path: str,
    partial: str,
) -> None:
    """Writes the report as JSON, atomically."""
    by_kind: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, name), count in counts.items():
        by_kind[kind][name] = count
    by_span: dict[int, dict[str, int]] = defaultdict(lambda: {names.ACCEPTED: 0, names.REJECTED: 0})
    for kind in (names.ACCEPTED, names.REJECTED):
        for span, count in by_kind[kind].items():
            by_span[int(span)][kind] = count
    report = reports.make_report(
        by_kind[USES],
        splits,
        by_kind[REASONS],
        by_span,
        rejected_files,
        by_kind[NOTES],
        skipped,
        by_kind.get(reports.NEAR_DUPLICATES),
    )
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "w") as file:
        json.dump(report, file, indent=1)  # ASCII, which escapes control characters in names
