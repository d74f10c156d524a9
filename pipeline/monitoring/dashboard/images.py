"""The images of runs, span by span, and the files that were rejected."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pipeline.monitoring.dashboard.collect import IngestedImages, Overview
from pipeline.registry.journal import HeldSpan


class SpanImages(NamedTuple):
    """The images of a span, as the latest run that read it has counted them.

    Attributes:
        span: its number; None where the data have no spans.
        folder: below the data folder; empty where it was not recorded.
        accepted: images; None where the report of the files is gone, or no run has read it.
        rejected: files; None like `accepted`.
        read: by a run; None where none did.
        held: whether it was set aside at some time.
    """

    span: int | None
    folder: str
    accepted: int | None
    rejected: int | None
    read: datetime | None
    held: HeldSpan | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self.held is not None and self.held.released is None


def spans_of(dataset: IngestedImages) -> list[SpanImages]:
    """The images of a dataset, span by span."""
    total = {"accepted": dataset.accepted, "rejected": dataset.rejected}
    if not dataset.spans:
        return [SpanImages(None, "", **total, read=dataset.read)]
    by_span = dataset.report.get("by_span", {})
    if len(dataset.spans) == 1:
        by_span = {str(dataset.spans[0]): total}
    return [
        SpanImages(
            span,
            dataset.folders.get(span, ""),
            by_span.get(str(span), {}).get("accepted"),
            by_span.get(str(span), {}).get("rejected"),
            dataset.read,
        )
        for span in dataset.spans
    ]


def all_spans(overview: Overview) -> list[SpanImages]:
    """The spans that were read or held, ascending."""
    found = {
        images.span: images
        for dataset in overview.datasets
        for images in spans_of(dataset)
        if images.span is not None
    }
    for span, held in overview.held.items():
        found[span] = found.get(span, SpanImages(span, "", None, None, None))._replace(held=held)
    return [found[span] for span in sorted(found)]


def rejected_files(datasets: Sequence[IngestedImages]) -> list[tuple[str, str]]:
    """Path and reason of every file that a report names, those of the latest dataset first."""
    found: dict[str, str] = {}
    for dataset in reversed(datasets):
        for path, reason in dataset.report.get("rejected_files", []):
            found.setdefault(path, reason)
    return list(found.items())
