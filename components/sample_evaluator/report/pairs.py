"""The part of the report on a model that translates: results beside what a person would try."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.metrics import PAIR_METRICS
from components.sample_evaluator import sources
from components.sample_evaluator.report.texts import number, percent

_COLUMNS = {
    sources.CANDIDATE: "results",
    sources.BASELINE: "baseline",
    sources.SOURCE: "the sources themselves",
    sources.OTHER: "other held-out images",
    sources.ANSWER: "one answer each",
    sources.MEAN_ANSWER: "mean answers",
}


class PairTable(NamedTuple):
    """A table, and what it says, in sentences.

    Attributes:
        title: of the table.
        heads: of the columns.
        rows: a metric with its direction, and its numbers.
        sentences: on the columns, and on how much answers differ.
    """

    title: str
    heads: list[str]
    rows: list[list[str]]
    sentences: list[str]


def pair_table(summary: Mapping[str, Any]) -> PairTable | None:
    """All metrics that the sources themselves have; None for a model that does not translate."""
    metrics = {
        name: metric
        for name, metric in summary["metrics"].items()
        if metric.get(sources.SOURCE) is not None
    }
    if not metrics:
        return None
    shown = [
        name for name in _COLUMNS if any(each.get(name) is not None for each in metrics.values())
    ]
    rows = [
        [
            f"{name} {'↑' if metric['larger_is_better'] else '↓'}",
            *(number(metric.get(column)) for column in shown),
        ]
        for name, metric in metrics.items()
    ]
    heads = ["metric", *(_COLUMNS[column] for column in shown)]
    title = f"Results beside their {'images' if has_pairs(summary) else 'sources'}"
    return PairTable(title, heads, rows, list(_sentences(summary)))


def has_pairs(summary: Mapping[str, Any]) -> bool:
    """Whether results were compared each with the image that it should be."""
    return any(name in summary["metrics"] for name in PAIR_METRICS)


def _sentences(summary: Mapping[str, Any]) -> Iterator[str]:
    images, answers = summary["images"], summary.get("answers")
    if has_pairs(summary):
        yield (
            "psnr, ssim and feature_distance compare each result with the image that it should be, "
            "consistency with its source, after it is degraded in the same way. The sources "
            "themselves are what the network gets, enlarged if they are small."
        )
    else:
        yield (
            "All are compared with the held-out images as a whole: no image is that of a source. "
            "The sources themselves are what a model would return that changes nothing."
        )
    if images.get(sources.OTHER):
        yield (
            f"Other held-out images, {images[sources.OTHER]} of them, are what a model has that "
            "draws good images and ignores its sources."
        )
    if answers:
        yield (
            f"One answer each, and the mean of {answers['answers']} answers each, are those to the "
            f"first {answers['sources']} sources. The mean is blurred where answers differ, "
            "although it is the nearest to any image in pixels."
        )
        found = f"{number(answers['pixel_diversity'])} gray levels (root mean square)"
        if answers["diversity"] is not None:
            found += (
                f", and in features by {percent(answers['diversity'])} of the squared distance "
                "between two held-out images"
            )
        yield f"Diversity: two answers to one source differ by {found}."
