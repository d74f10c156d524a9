"""Lines as points of SVG, for the macros of the report; the numbers are in its tables."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

LEFT, RIGHT, TOP, BOTTOM = 36, 352, 24, 160  # edges of the plot, in a view of 360 x 200
SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 170, 50, 8

Values = Sequence[float | None]  # None: no point
Point = tuple[float, float]


class Line(NamedTuple):
    """A line.

    Attributes:
        name: for the legend.
        parts: the points of each unbroken part, as of a `polyline`.
        points: all points.
        newest: the last point; None if there is none.
    """

    name: str
    parts: list[str]
    points: list[Point]
    newest: Point | None


class Chart(NamedTuple):
    """Lines over a common axis that starts at 0; ticks are places by their text."""

    lines: list[Line]
    x_ticks: dict[str, float]
    y_ticks: dict[str, float]


def line_chart(x: Sequence[float], series: Mapping[str, Values]) -> Chart:
    """Places values, at least 0, over x, at least 0 and ascending."""
    largest = max(one for values in series.values() for one in values if one is not None)
    highest, step = _axis(largest)
    furthest, x_step = x[-1], _axis(x[-1])[1]

    def place(a: float, b: float) -> Point:
        return (
            round(LEFT + (RIGHT - LEFT) * a / furthest, 1),
            round(BOTTOM - (BOTTOM - TOP) * b / highest, 1),
        )

    lines = [
        _line(name, [None if b is None else place(a, b) for a, b in zip(x, values, strict=True)])
        for name, values in series.items()
    ]
    return Chart(
        lines,
        {f"{one:g}": place(one, 0)[0] for one in _ticks(furthest, x_step)},
        {f"{one:g}": place(0, one)[1] for one in _ticks(highest, step)},
    )


def sparkline(values: Values) -> Line:
    """Places the course of one number, oldest first, over its own range."""
    known = [value for value in values if value is not None]
    low, span = min(known), (max(known) - min(known)) or 1.0
    width, height = SPARK_WIDTH - 2 * SPARK_EDGE, SPARK_HEIGHT - 2 * SPARK_EDGE
    points = [
        value
        if value is None
        else (
            round(SPARK_EDGE + width * i / max(len(values) - 1, 1), 1),
            round(SPARK_EDGE + height * (1 - (value - low) / span), 1),
        )
        for i, value in enumerate(values)
    ]
    return _line("", points)


def _line(name: str, points: Iterable[Point | None]) -> Line:
    points = list(points)
    parts = [
        " ".join(f"{x},{y}" for x, y in part)
        for known, part in itertools.groupby(points, key=lambda point: point is not None)
        if known
    ]
    return Line(name, parts, [each for each in points if each], points[-1])


def _axis(largest: float) -> tuple[float, float]:
    """The end of an axis, and a round step of at most four to it."""
    raw = (largest or 1.0) / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= raw * (1 - 1e-9))
    return step * math.ceil(largest / step * (1 - 1e-9) or 1), step


def _ticks(end: float, step: float) -> list[float]:
    return [i * step for i in range(math.floor(end / step * (1 + 1e-9)) + 1)]
