"""The figures of the report: pictures and the spectrum, those that show a fault first."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.metrics import PAIR_METRICS
from components.sample_evaluator import sources
from components.sample_evaluator.report import charts
from components.sample_evaluator.report.judged import SPECTRUM
from components.sample_evaluator.report.texts import sharpness
from components.sample_evaluator.verdict.checks import COPIES, MISSED, outcome_of, read_checks

# What these say about samples, a picture of the farthest samples does not show.
_SHOWN_OTHERWISE = {SPECTRUM, "coverage", "recall"}
_FIRST = ("pairs", "answers", "samples", "real")

_CAPTIONS = {
    "samples": "Samples, {order}",
    "real": "Held-out images",
    "missing_kinds": "Held-out images of the kinds that are missing among the samples, one row for "
    "each of which there are any",
    "nearest_pairs": "The samples nearest to training images, the nearest first, each above its "
    "training image, which is mirrored where that is nearer",
    "worst_samples": "The samples that are least like real images, the farthest first",
    "pairs": "Source, result and image, in the first row the best results by PSNR, in the second "
    "those in the middle, in the third the worst",
    "answers": "The first sources (left), several answers to each, and its image (right)",
    "trajectories": "From noise (left) to sample (right), one row per seed from {seed}",
}
_UNPAIRED = {
    "pairs": "Source and result of some held-out sources, chosen by hash",
    "answers": "The first sources (left), and several answers to each",
}
_SPECTRUM = (
    "Detail at each scale, coarse (left) to fine (right): the power relative to held-out images, "
    "which is 1 if the samples have as much. Blur lowers it at the right, grain raises it."
)
# Noise has so much more power at fine scales that all other lines would lie at 0.
_LINES = {
    sources.CANDIDATE: "candidate",
    sources.BASELINE: "baseline",
    sources.TRAIN: "training",
}


class Figure(NamedTuple):
    """A picture or a chart.

    Attributes:
        caption: a sentence.
        uri: of a picture.
        chart: in place of a picture.
    """

    caption: str
    uri: str | None = None
    chart: charts.Chart | None = None


class Figures(NamedTuple):
    """The figures of the report.

    Attributes:
        first: samples and held-out images, and of a model that translates the pairs of them.
        faults: those that show what is wrong.
        others: the rest.
    """

    first: list[Figure]
    faults: list[Figure]
    others: list[Figure]


def arrange(pictures: Mapping[str, bytes], summary: Mapping[str, Any]) -> Figures:
    """Arranges all figures that there are.

    Args:
        pictures: PNG files by name: samples, real images, nearest_pairs, trajectories,
            missing_kinds, worst_samples; pairs and answers of a model that translates.
        summary: from `summary.summarize`.
    """
    found = dict(_pictures(pictures, summary)) | dict(_spectrum(summary["spectrum"]))
    first = [found.pop(name) for name in _FIRST if name in found]
    faults = [found.pop(name) for name in _faults(summary) if name in found]
    return Figures(first, faults, list(found.values()))


def has_pairs(summary: Mapping[str, Any]) -> bool:
    """Whether results were compared each with the image that it should be."""
    return not PAIR_METRICS.keys().isdisjoint(summary["metrics"])


def _faults(summary: Mapping[str, Any]) -> Iterator[str]:
    """The names of the figures that show the faults of the candidate."""
    checks = read_checks(summary)
    failed = {name for name in summary["metrics"] if outcome_of(checks, name) == MISSED}
    if outcome_of(checks, COPIES) == MISSED:
        yield "nearest_pairs"
    if any(kind["missing"] for kind in (summary["kinds"] or {}).get("kinds", ())):
        yield "missing_kinds"
    if SPECTRUM in failed:
        yield "spectrum"
    if failed - _SHOWN_OTHERWISE:
        yield "worst_samples"


def _pictures(
    pictures: Mapping[str, bytes], summary: Mapping[str, Any]
) -> Iterator[tuple[str, Figure]]:
    seed, count = summary["seed"], summary["images"].get(sources.CANDIDATE)
    # Without solver steps, the candidate is a folder of images.
    order = (
        f"some of {count}, chosen by hash" if summary["nb_step"] is None else f"from seed {seed}"
    )
    captions = _CAPTIONS | ({} if has_pairs(summary) else _UNPAIRED)
    for name, caption in captions.items():
        if name in pictures:
            uri = f"data:image/png;base64,{base64.b64encode(pictures[name]).decode()}"
            yield name, Figure(caption.format(order=order, seed=seed), uri)


def _spectrum(spectrum: Mapping[str, Any] | None) -> Iterator[tuple[str, Figure]]:
    if spectrum and spectrum.get(sources.CANDIDATE):
        lines = {text: spectrum[name] for name, text in _LINES.items() if spectrum.get(name)}
        caption = " ".join(filter(None, (sharpness(spectrum), _SPECTRUM)))
        yield "spectrum", Figure(caption, chart=charts.line_chart(spectrum["frequencies"], lines))
