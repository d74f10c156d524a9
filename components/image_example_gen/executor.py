"""Executor of ImageExampleGen: files -> decoded parts -> one table -> shards of the splits.

Beam decodes the parts (table/parts.py); the table and the shards are made in this process.
The same files and options give the same bytes with any runner and any number of workers: hashes
determine the shard of an image, its position in the shard and its split.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from absl import logging
from tfx import types
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.beam_executor import BeamExecutor
from components.image_example_gen import names
from components.image_example_gen import report as reports
from components.image_example_gen.errors import find_storage_error
from components.image_example_gen.example import path_of
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import SAME_PIXELS
from components.image_example_gen.source_decode import of_any_size
from components.image_example_gen.spans import ImageSource, holdout_source, unpaired_sources
from components.image_example_gen.table.files import (
    INDEX,
    PARTIAL,
    UNUSED,
    add_places,
    complete_file,
    read_parts,
    sort_rows,
)
from components.image_example_gen.table.images import Images
from components.image_example_gen.table.known import count_copies
from components.image_example_gen.table.parts import DecodeParts
from components.image_example_gen.table.plan import Plan, make_plan
from components.image_example_gen.table.shards import ExampleReader, ShardWriter
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
    # After a database was restored, files of an execution that it has forgotten are there.
    if fileio.exists(index := os.path.join(output, INDEX)):
        fileio.remove(index)
    for folder in (
        *split_folders.values(),
        *(os.path.join(output, name) for name in (UNUSED, PARTIAL)),
    ):
        if fileio.exists(folder):
            fileio.rmtree(folder)
        fileio.makedirs(folder)
    sources = [source, *([holdout] if holdout else [])]
    with _partial_folder(output) as partial:
        plan, known = make_plan(sources, options, code, earlier, fingerprint, partial)
        if plan.parts:
            with pipeline:
                _ = (
                    pipeline
                    | "Parts" >> beam.Create(plan.parts)
                    # Otherwise one worker would decode all files.
                    | "SpreadParts" >> beam.Reshuffle()
                    | "Decode" >> beam.ParDo(DecodeParts(plan.sources, options, partial))
                )
        decoded = add_places(read_parts(partial), plan.keys)
        rows = sort_rows(pa.concat_tables([known, decoded]).unify_dictionaries())
        del known, decoded  # of a million images, 100 MB
        accepted = len(rows) - rows["sha256"].null_count
        rejected = rows.slice(accepted)
        images = Images(
            rows.slice(0, accepted),
            plan.sources,
            plan.ends,
            options,
            split_salt,
            earlier,
        )
        report = _make_report(images, rejected, plan, list(split_folders))
        writer = ShardWriter(images, plan.shards, split_folders, output, partial)
        writer.write(rejected)
        path = os.path.join(output, names.REJECTED_JSON)
        with complete_file(path, partial) as unfinished, fileio.open(unfinished, "w") as file:
            json.dump(report, file, indent=1)  # ASCII, which escapes control characters in names

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
    """Yields the folder for what is unfinished, which is removed unless the run is stopped."""
    partial = os.path.join(output, PARTIAL)
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


def _make_report(images: Images, rejected: pa.Table, plan: Plan, splits: Sequence[str]) -> dict:
    """Counts what was accepted and rejected."""
    by_span: dict[int, dict[str, int]] = defaultdict(lambda: {names.ACCEPTED: 0, names.REJECTED: 0})
    for name, table in ((names.ACCEPTED, images.rows), (names.REJECTED, rejected)):
        spans = table["span"].filter(pc.less(table["place"], plan.ends[0]))
        for span, count in _count(spans).items():
            by_span[span][name] = count
    notes: Counter[str] = Counter()
    for lines, count in _count(images.rows["notes"].drop_null()).items():
        notes.update(dict.fromkeys(lines.splitlines(), count))
    first = rejected.select(["path", "reason"]).sort_by(
        [("path", "ascending"), ("reason", "ascending")]
    )
    first = first.slice(0, reports.MAX_REJECTED_FILES).to_pydict()
    reader = ExampleReader()
    largest = [
        [path_of(example) for example in reader.read(images.rows.take(pa.array(places)))]
        for places in images.largest
    ]
    return reports.make_report(
        images.counts(),
        splits,
        _count(rejected["reason"]),
        by_span,
        [*zip(first["path"], first["reason"], strict=True)],
        notes,
        plan.skipped,
        images.near_duplicates and {**images.near_duplicates, reports.LARGEST: largest},
    )


def _count(column: pa.ChunkedArray) -> dict[Any, int]:
    """How often a column has each of its values."""
    return {each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()}
