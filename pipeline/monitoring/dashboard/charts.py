"""Draws charts with matplotlib as inline SVG with real text and the colors of the page's CSS.

Charts contain only numbers, days and names of nodes; the page has their captions.
"""

import math
from collections.abc import Mapping, Sequence
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


def duration_chart(minutes: Sequence[float], failed: Sequence[bool], told: str) -> Markup:
    """Draws a bar for each run, oldest first, with a cross above runs that did not complete.

    Args:
        minutes: duration of each run.
        failed: whether each run did not complete.
        told: the text alternative.
    """
    with svg_style():
        figure, axes = new_figure(2.0)
        places = range(1 - len(minutes), 1)
        axes.bar(places, minutes, width=0.8, color=SERIES)
        crosses = [(x, y) for x, y, bad in zip(places, minutes, failed, strict=True) if bad]
        _mark_above(axes, crosses, "X", BAD)
        axes.set_ylabel("minutes")
        axes.set_xlabel("runs ago")
        axes.set_xlim(min(places[0], -9) - 0.6, 0.6)  # keeps the bars of a few runs narrow
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_formatter(lambda place, _: f"{abs(place):.0f}")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        return to_svg(figure, told)


def node_chart(seconds: Mapping[str, float], told: str) -> Markup:
    """Draws a horizontal bar for each node, the first at the top.

    Args:
        seconds: duration of each node, at least one.
        told: the text alternative.
    """
    with svg_style():
        figure, axes = new_figure(0.4 + 0.26 * len(seconds))
        places = range(len(seconds))
        bars = axes.barh(places, list(seconds.values()), height=0.6, color=SERIES)
        labels = [f"{value:.1f} s" for value in seconds.values()]
        axes.bar_label(bars, labels, padding=4, color=QUIET)
        axes.set_yticks(places, list(seconds))
        axes.invert_yaxis()
        axes.margins(x=0.16)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(left=False)
        return to_svg(figure, told)


def span_chart(
    spans: Sequence[int],
    accepted: Sequence[int],
    rejected: Sequence[int],
    held: Sequence[bool],
    told: str,
) -> Markup:
    """Draws a bar for each span: images, rejected files on top, and a mark above held spans.

    Args:
        spans: at least one, ascending.
        accepted: number of images in each span.
        rejected: number of rejected files in each span.
        held: whether each span is held.
        told: the text alternative.
    """
    with svg_style():
        figure, axes = new_figure(2.2)
        places = range(len(spans))
        axes.bar(places, accepted, width=0.8, color=SERIES)
        axes.bar(places, rejected, width=0.8, bottom=accepted, color=PAGE, edgecolor=BAD)
        totals = [a + r for a, r in zip(accepted, rejected, strict=True)]
        marks = [(x, y) for x, y, is_held in zip(places, totals, held, strict=True) if is_held]
        _mark_above(axes, marks, "D", BAD)
        step = math.ceil(len(spans) / 8)
        axes.set_xticks(places[::step], [str(span) for span in spans[::step]])
        axes.set_xlabel("span")
        axes.set_ylabel("files")
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        return to_svg(figure, told)


def _mark_above(axes: Axes, places: Sequence[tuple[float, float]], shape: str, color: str) -> None:
    if places:
        x, y = zip(*places, strict=True)
        axes.margins(y=0.15)
        axes.plot(x, y, shape, color=color, markersize=6, zorder=3)


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
