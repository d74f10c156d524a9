"""The spectrum of the samples beside that of held-out images: a sentence and a chart."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.sample_evaluator import sources
from components.sample_evaluator.report.texts import percent

DETAIL_CHANGE = 0.1  # of the power at the finest scales: less is neither blur nor grain
LEFT, RIGHT, TOP, BOTTOM = 36, 352, 24, 160  # edges of the plot, in a view of 360 x 200
# Noise has so much more power at fine scales that all other lines would lie at 0.
_LINES = {
    sources.CANDIDATE: "candidate",
    sources.BASELINE: "baseline",
    sources.TRAIN: "training",
}

Spectrum = Mapping[str, Sequence[float]]  # from `compare_spectra`


class Chart(NamedTuple):
    """Lines in a plot whose axes start at 0.

    Attributes:
        lines: the points of each `polyline` of SVG, by name.
        x_ticks, y_ticks: places by their text.
        level: the height of held-out images, whose power is 1.
    """

    lines: dict[str, str]
    x_ticks: dict[str, float]
    y_ticks: dict[str, float]
    level: float


def sharpness(spectrum: Spectrum) -> str:
    """What the spectrum says about the candidate, as one sentence.

    The finest scales are the upper half of the frequencies. The power there is a mean of ratios,
    in which a single frequency counts little.
    """
    limit = spectrum["frequencies"][-1] / 2
    pairs = zip(spectrum["frequencies"], spectrum[sources.CANDIDATE], strict=True)
    finest = [power for frequency, power in pairs if frequency >= limit]
    power = sum(finest) / len(finest)
    stated = f"{percent(power)} of its detail (power) at the finest scales"
    if power < 1 - DETAIL_CHANGE:
        return f"Blurrier than the data: {stated}."
    if power > 1 + DETAIL_CHANGE:
        return f"More grain or sharper edges than the data: {stated}."
    return f"As sharp as the data: {stated}."


def chart(spectrum: Spectrum) -> Chart:
    """Places the power of each source, but for noise, over the frequencies."""
    shown = {text: spectrum[name] for name, text in _LINES.items() if name in spectrum}
    furthest = spectrum["frequencies"][-1]
    highest = max(2, math.ceil(max(map(max, shown.values()))))

    def x(frequency: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * frequency / furthest, 1)

    def y(power: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * power / highest, 1)

    return Chart(
        {
            name: " ".join(
                f"{x(a)},{y(b)}" for a, b in zip(spectrum["frequencies"], powers, strict=True)
            )
            for name, powers in shown.items()
        },
        {f"{tick:g}": x(tick) for tick in (0, furthest / 2, furthest)},
        {f"{tick:g}": y(tick) for tick in (0, highest / 2, highest)},
        y(1),
    )
