"""The images that runs read: counts by span, and the rejected files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.image_example_gen import names as example_names
from components.image_example_gen.pattern import has_spans
from pipeline.monitoring.dashboard.files import FileReport, WorkspaceFiles
from pipeline.registry import lineage
from pipeline.registry.journal import Attempt, HeldSpan


@dataclass(frozen=True)
class IngestedImages:
    """The images that a run read: one Examples artifact.

    Attributes:
        read: when, aware; the time of the check that started the run, if one did.
        source: the data folder or URI; None if it was not recorded.
        folders: the folder of each span, relative to `source`.
        spans: ascending; empty if the data have none.
        accepted, rejected, duplicates: counts of files.
        folder: of the artifact.
        files: reads what is in it.
    """

    read: datetime
    source: str | None
    folders: Mapping[int, str]
    spans: tuple[int, ...]
    accepted: int
    rejected: int
    duplicates: int
    folder: Path
    files: WorkspaceFiles

    @cached_property
    def report(self) -> FileReport:
        """The report on the files; empty if it was removed."""
        return self.files.read_json(self.folder / example_names.REJECTED_JSON, FileReport)

    @cached_property
    def source_report(self) -> FileReport:
        """The report on sources that are not paired with images; empty like `report`."""
        folder = self.folder / example_names.SOURCES_FOLDER
        return self.files.read_json(folder / example_names.REJECTED_JSON, FileReport)


class SpanImages(NamedTuple):
    """The images of a span, as counted by the latest run that read it.

    Attributes:
        span: its number; None if the data have no spans.
        folder: relative to the data folder; empty if it was not recorded.
        accepted: images; None if no run read the span or its report was removed.
        rejected: files; None like `accepted`.
        read: by a run; None if no run read it.
        held: the record of its review; None if it was never held.
    """

    span: int | None
    folder: str
    accepted: int | None
    rejected: int | None
    read: datetime | None
    held: HeldSpan | None = None

    @property
    def waits(self) -> bool:
        """Whether it is held for review."""
        return self.held is not None and self.held.released is None


def load_datasets(
    store: MetadataStore,
    artifacts: Path,
    files: WorkspaceFiles,
    runs: Sequence[lineage.Run],
    attempt_of: Mapping[str, Attempt],
) -> dict[int, IngestedImages]:
    """The datasets of all runs by number, oldest first; `artifacts` is the workspace's folder."""
    first = {}
    for run in runs:
        artifact = run.artifacts.get((example_names.NODE, example_names.EXAMPLES))
        if artifact:
            first.setdefault(artifact.id, (artifact, attempt_of.get(run.id)))
    sources = lineage.maker_properties(store, list(first))
    return {
        number: _dataset(
            artifact,
            lineage.place_of(artifact, artifacts),
            files,
            attempt,
            sources.get(number, {}),
        )
        for number, (artifact, attempt) in first.items()
    }


def spans_of(dataset: IngestedImages) -> list[SpanImages]:
    """The images of a dataset, span by span."""
    total = {"accepted": dataset.accepted, "rejected": dataset.rejected}
    if not dataset.spans:
        return [SpanImages(None, "", **total, read=dataset.read)]
    by_span = dataset.report.by_span
    if len(dataset.spans) == 1:
        by_span = {dataset.spans[0]: total}
    return [
        SpanImages(
            span,
            dataset.folders.get(span, ""),
            by_span.get(span, {}).get(example_names.ACCEPTED),
            by_span.get(span, {}).get(example_names.REJECTED),
            dataset.read,
        )
        for span in dataset.spans
    ]


def all_spans(datasets: Sequence[IngestedImages], held: Mapping[int, HeldSpan]) -> list[SpanImages]:
    """The spans that were read or held, ascending."""
    found: dict[int, SpanImages] = {}
    for dataset in datasets:
        for images in spans_of(dataset):
            if images.span is not None:
                found[images.span] = images
    for span, record in held.items():
        found[span] = found.get(span, SpanImages(span, "", None, None, None))._replace(held=record)
    return [found[span] for span in sorted(found)]


def rejected_files(datasets: Sequence[IngestedImages]) -> list[tuple[str, str]]:
    """The path and reason of each rejected file in the reports, the latest dataset first.

    Files that a later run read again are those in its own report: they may have been replaced.
    """
    found: dict[tuple[str, str], str] = {}
    read_again: set[tuple[str, str | None, int | None]] = set()
    for dataset in reversed(datasets):
        for kind, report, spans, folders in (
            ("images", dataset.report, dataset.spans, dataset.folders),
            ("sources", dataset.source_report, (), {}),
        ):
            for path, reason in report.rejected_files:
                span = spans[0] if len(spans) == 1 else _span_of(path, folders)
                if (kind, dataset.source, span) not in read_again:
                    found.setdefault((kind, path), reason)
            read_again |= {(kind, dataset.source, span) for span in spans or [None]}
    return [(path, reason) for (_, path), reason in found.items()]


def _span_of(path: str, folders: Mapping[int, str]) -> int | None:
    """The span whose folder a path is in; None if that is not known."""
    inside = (span for span, folder in folders.items() if path.startswith(f"{folder}/"))
    return next(inside, None)


def _dataset(
    artifact: mlmd.Artifact,
    folder: Path,
    files: WorkspaceFiles,
    attempt: Attempt | None,
    source: Mapping[str, Any],
) -> IngestedImages:
    """The dataset of an artifact; `source` is what the driver of ImageExampleGen recorded."""
    properties = lineage.properties(artifact)
    return IngestedImages(
        read=attempt.started if attempt else lineage.recorded_at(artifact),
        source=source.get(example_names.INPUT_BASE),
        folders=_folders(source.get(example_names.WINDOW)),
        spans=_spans(properties, source),
        accepted=properties.get(example_names.ACCEPTED, 0),
        rejected=properties.get(example_names.REJECTED, 0),
        duplicates=properties.get(example_names.DUPLICATES, 0),
        folder=folder,
        files=files,
    )


def _folders(window: str | None) -> dict[int, str]:
    """The folder of each span of a window, which is JSON."""
    return dict(json.loads(window or "[]"))


def _spans(properties: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[int, ...]:
    """The spans of a dataset; without a pattern, span 0 is the whole folder and does not count."""
    pattern = json.loads(source.get(example_names.WINDOW_OPTIONS, "{}")).get("pattern")
    if pattern is not None and not has_spans(pattern):
        return ()
    return lineage.spans_of(properties)
