"""Draws charts with matplotlib as inline SVG with real text and the colors of the page's CSS."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator

from trainer.common.svg_figure import (
    BAD,
    GOOD,
    PAGE,
    QUIET,
    SERIES,
    TEXT,
    new_figure,
    svg_style,
    to_svg,
)


class Mark(NamedTuple):
    """How matplotlib draws a verdict. Each verdict has its own shape, so color is not needed."""

    shape: str
    face: str
    edge: str


MARKS = {
    "blessed": Mark("o", GOOD, GOOD),
    "not blessed": Mark("X", QUIET, PAGE),
    "promoted": Mark("^", TEXT, TEXT),
    "withdrawn": Mark("s", PAGE, BAD),
}
SERVED = ("blessed", "promoted")  # verdicts joined by a line


class Point(NamedTuple):
    """A model in a chart of quality."""

    day: datetime
    value: float
    verdict: str  # a key of MARKS
    live: bool


def quality_chart(points: Sequence[Point], told: str) -> Markup:
    """Draws a metric over time, with a mark for each verdict and a ring around the live model.

    The axis fits the models that were served; a value outside it is written at the edge.

    Args:
        points: at least one, ordered by time.
        told: the text alternative.
    """
    with svg_style():
        figure, axes = new_figure(2.6)
        low, high = _value_range(points)
        axes.set_ylim(low, high)
        served = [point for point in points if point.verdict in SERVED]
        axes.plot([p.day for p in served], [p.value for p in served], color=SERIES, linewidth=1.4)
        for verdict, mark in MARKS.items():
            chosen = [point for point in points if point.verdict == verdict]
            axes.scatter(
                [point.day for point in chosen],
                [min(max(point.value, low), high) for point in chosen],
                s=60 if mark.shape == "X" else 34,
                marker=mark.shape,
                facecolor=mark.face,
                edgecolor=mark.edge,
                linewidth=0.8 if mark.face != PAGE else 1.6,
                zorder=3,
                clip_on=False,
            )
        for point in points:
            if point.live:
                axes.scatter(
                    [point.day], [point.value], s=150, facecolor="none", edgecolor=SERIES, zorder=4
                )
            if not low <= point.value <= high:
                above = point.value > high
                axes.annotate(
                    f"{point.value:.3g}",
                    (point.day, high if above else low),
                    (0, -14 if above else 8),
                    textcoords="offset points",
                    ha="center",
                    color=QUIET,
                )
        _date_axis(axes, points[0].day, points[-1].day)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y")
        return to_svg(figure, told)


def _value_range(points: Sequence[Point]) -> tuple[float, float]:
    """Returns the range of the models that were ever served, or of all models if none was."""
    good = [point.value for point in points if point.verdict != "not blessed"]
    values = good or [point.value for point in points]
    low, high = min(values), max(values)
    margin = 0.3 * (high - low) if high > low else 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _date_axis(axes: Axes, first: datetime, last: datetime) -> None:
    margin = max((last - first) / 25, timedelta(hours=6)) if last > first else timedelta(days=2)
    axes.set_xlim(first - margin, last + margin)
    locator = AutoDateLocator(tz=first.tzinfo, minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=first.tzinfo))
