"""The figures of the report: pictures and the spectrum, those that show a fault first."""

import base64
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from components.sample_evaluator import sources
from components.sample_evaluator.report.judged import SPECTRUM, copies_too_much, failed
from components.sample_evaluator.report.pairs import has_pairs
from components.sample_evaluator.report.texts import sharpness

# What these say about samples, a picture of the farthest samples does not show.
_SHOWN_OTHERWISE = {SPECTRUM, "coverage", "recall"}


@dataclasses.dataclass(frozen=True)
class Pictures:
    """PNG files in the report; None if there is none.

    Attributes:
        samples: grid of samples of the candidate.
        real: grid of held-out images.
        nearest_pairs: samples above the training images that they are nearest to, nearest first.
        trajectories: one row for each of the first seeds, from noise to image.
        missing_kinds: rows of held-out images of the kinds that are missing among the samples.
        worst_samples: grid of the samples farthest from real images, farthest first.
        pairs: rows of source, result and, of pairs, image: the best, median and worst results.
        answers: rows of a source, several answers and, of pairs, the image.
    """

    samples: bytes | None = None
    real: bytes | None = None
    nearest_pairs: bytes | None = None
    trajectories: bytes | None = None
    missing_kinds: bytes | None = None
    worst_samples: bytes | None = None
    pairs: bytes | None = None
    answers: bytes | None = None


class Figure(NamedTuple):
    """A picture or a chart.

    Attributes:
        caption: a sentence.
        uri: of a picture.
        alternative: of a picture, in words.
        chart: an `<svg>` element in place of a picture.
    """

    caption: str
    uri: str | None = None
    alternative: str = ""
    chart: Markup | None = None


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


def arrange(pictures: Pictures, summary: Mapping[str, Any]) -> Figures:
    """Arranges all figures that there are."""
    found = dict(_pictures(pictures, summary)) | dict(_spectrum(summary))
    names = ("pairs", "answers", "samples", "real")
    first = [found.pop(name) for name in names if name in found]
    faults = [found.pop(name) for name in _faults(summary) if name in found]
    return Figures(first, faults, list(found.values()))


def _faults(summary: Mapping[str, Any]) -> Iterator[str]:
    """The names of the figures that show the faults of the candidate."""
    kinds = (summary.get("kinds") or {}).get("kinds") or []
    if copies_too_much(summary):
        yield "nearest_pairs"
    if any(kind["missing"] for kind in kinds):
        yield "missing_kinds"
    if SPECTRUM in failed(summary):
        yield "spectrum"
    if set(failed(summary)) - _SHOWN_OTHERWISE:
        yield "worst_samples"


# Captions and alternative texts of the pictures of results beside their sources.
_PAIRED = {
    "pairs": (
        "Source, result and image, in the first row the best results by PSNR, in the second those "
        "in the middle, in the third the worst",
        "Three rows of sources, each followed by its result and the held-out image: the best "
        "results, those in the middle and the worst",
    ),
    "answers": (
        "The first sources (left), several answers to each, and its image (right)",
        "Rows of a source, several answers to it and the held-out image",
    ),
}
_UNPAIRED = {
    "pairs": (
        "Source and result of some held-out sources, chosen by hash",
        "Three rows of sources, each followed by its result",
    ),
    "answers": (
        "The first sources (left), and several answers to each",
        "Rows of a source and several answers to it",
    ),
}


def _pictures(pictures: Pictures, summary: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    seed, count = summary["seed"], summary["images"].get(sources.CANDIDATE)
    # Without solver steps, the candidate is a folder of images.
    order = (
        f"some of {count}, chosen by hash" if summary["nb_step"] is None else f"from seed {seed}"
    )
    texts = {
        "samples": (f"Samples, {order}", f"Grid of samples of the candidate, {order}"),
        "real": ("Held-out images", "Grid of held-out images, first by hash"),
        "missing_kinds": (
            "Held-out images of the kinds that are missing among the samples, one row for each of "
            "which there are any",
            "Rows of held-out images, one for each kind that is missing among the samples",
        ),
        "nearest_pairs": (
            "The samples nearest to training images, the nearest first, each above its training "
            "image, which is mirrored where that is nearer",
            "Pairs of a sample, above, and its nearest training image, below, mirrored where that "
            "is nearer; the nearest pair first",
        ),
        "worst_samples": (
            "The samples that are least like real images, the farthest first",
            "Grid of the samples farthest from real images in feature space, the farthest first",
        ),
        **(_PAIRED if has_pairs(summary) else _UNPAIRED),
        "trajectories": (
            f"From noise (left) to sample (right), one row per seed from {seed}",
            "Grid of trajectories: each row goes from noise to a sample",
        ),
    }
    for name, (caption, alternative) in texts.items():
        if (png := getattr(pictures, name)) is not None:
            uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            yield name, Figure(caption, uri, alternative)


def _spectrum(summary: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    from components.sample_evaluator.report import charts  # imports matplotlib

    spectrum = summary.get("spectrum")
    if not spectrum or not spectrum.get("candidate"):
        return
    # Noise has so much more power at fine scales that all other lines would lie at 0.
    names = {
        sources.CANDIDATE: "candidate",
        sources.BASELINE: "baseline",
        sources.TRAIN: "training",
    }
    frequencies = spectrum["frequencies"]
    chart = charts.line_chart(
        frequencies,
        {text: spectrum[name] for name, text in names.items() if spectrum.get(name)},
        title="Power relative to held-out images",
        x_label="cycles per image",
        x_range=(0, frequencies[-1]),
    )
    caption = (
        "Detail at each scale, coarse (left) to fine (right): the power relative to held-out "
        "images, which is 1 if the samples have as much. Blur lowers it at the right, grain "
        "raises it."
    )
    found = sharpness(spectrum)
    yield "spectrum", Figure(f"{found} {caption}" if found else caption, chart=chart)
