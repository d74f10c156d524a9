"""The charts of the report. The text alternative of each contains every value."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from trainer.common.svg_figure import PAGE, QUIET, SERIES, TEXT, new_figure, svg_style, to_svg

HEIGHT = 3.0  # inches
SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 2.4, 0.7  # inches
_LINES = (
    {"color": SERIES, "linestyle": "-", "linewidth": 2},
    {"color": TEXT, "linestyle": (0, (4, 3)), "linewidth": 1.5},
    {"color": QUIET, "linestyle": (0, (1.5, 2)), "linewidth": 1.5},
)

Values = Sequence[float | None]  # None: no point


def line_chart(
    x: Sequence[float],
    series: Mapping[str, Values],
    *,
    title: str,
    x_label: str,
    x_range: tuple[float, float],
) -> Markup:
    """Draws up to three lines over a common axis that starts at 0.

    Args:
        x: places of the points, N of them, within x_range.
        series: by name, N values each, at least 0.
        title: what the values are; the first words of the text alternative.
        x_label: name of the x axis.
        x_range: limits of the x axis.

    Returns:
        An `<svg>` element.
    """
    values_in_words = "; ".join(f"{name}: {_list_values(v)}" for name, v in series.items())
    places = ", ".join(f"{value:.3g}" for value in x)
    with svg_style():
        figure, axes = new_figure(HEIGHT)
        for (name, values), line in zip(series.items(), _LINES, strict=False):
            axes.plot(x, _with_gaps(values), label=name, marker="o", markersize=4, **line)
        axes.set_xlim(*x_range)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.grid(axis="y")
        figure.legend(
            loc="outside upper left", ncols=3, handlelength=3, frameon=False, labelcolor=QUIET
        )
        return to_svg(figure, f"{title}. At {x_label} {places}: {values_in_words}.")


def sparkline(values: Values, title: str) -> Markup:
    """Draws the course of one number, oldest first, over its own range; the newest is marked.

    Args:
        values: the last of them is the newest.
        title: what the values are; the first words of the text alternative.

    Returns:
        An `<svg>` element.
    """
    with svg_style():
        figure, axes = new_figure(SPARKLINE_HEIGHT, SPARKLINE_WIDTH)
        axes.set_axis_off()
        axes.margins(0.04, 0.2)
        axes.plot(_with_gaps(values), marker="o", markersize=4, **_LINES[0])
        if values[-1] is not None:
            newest = {"markerfacecolor": PAGE, "markeredgecolor": SERIES, "markeredgewidth": 3}
            axes.plot(len(values) - 1, values[-1], "o", markersize=9, **newest)
        return to_svg(figure, f"{title}, oldest first: {_list_values(values)}.")


def _with_gaps(values: Values) -> list[float]:
    """Values for matplotlib, which breaks a line at NaN."""
    return [math.nan if value is None else value for value in values]


def _list_values(values: Values) -> str:
    return ", ".join("none" if value is None else f"{value:.3g}" for value in values)
