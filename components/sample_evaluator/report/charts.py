"""Line charts as inline SVG, for a page without scripts: made of data, colored by the page's CSS.

Each chart says in words what it shows (`aria-label`). Texts reach the markup through ElementTree
alone, which escapes them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

from markupsafe import Markup

# Sizes in the SVG's own units, which a phone shows as one pixel each.
CHART_WIDTH, CHART_HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 28, 38  # margins, for ticks and names
LEGEND_STEP = 100
SPARKLINE_WIDTH, SPARKLINE_HEIGHT, SPARKLINE_MARGIN = 160, 44, 6

Values = Sequence[float | None]  # None: there is no point


def line_chart(
    x: Sequence[float],
    series: Mapping[str, Values],
    *,
    title: str,
    x_label: str,
    x_range: tuple[float, float],
) -> Markup:
    """Draws lines over a common axis that starts at 0.

    Args:
        x: places of the points, N of them, within x_range.
        series: by name, N values each, at least 0; the i-th line has the CSS class `line-i`.
        title: what the values are; the first words of the text alternative.
        x_label: name of the x axis.
        x_range: what the x axis shows.

    Returns:
        An `<svg>` element.

    Raises:
        ValueError: no series holds a value.
    """
    top = _round_up(max(value for values in series.values() for value in values if value))
    width, height = CHART_WIDTH - LEFT - RIGHT, CHART_HEIGHT - TOP - BOTTOM

    def place_x(value: float) -> float:
        return LEFT + width * (value - x_range[0]) / (x_range[1] - x_range[0])

    def place_y(value: float) -> float:
        return TOP + height * (1 - value / top)

    told = "; ".join(f"{name}: {_list_values(values)}" for name, values in series.items())
    places = ", ".join(f"{value:.2g}" for value in x)
    svg = _svg(CHART_WIDTH, CHART_HEIGHT, f"{title}. At {x_label} {places}: {told}.")
    for tick in (0, top / 2, top):
        _add(svg, "line", "grid", x1=LEFT, x2=LEFT + width, y1=place_y(tick), y2=place_y(tick))
        _text(svg, f"{tick:g}", LEFT - 6, place_y(tick) + 4, "end")
    for tick in (x_range[0], sum(x_range) / 2, x_range[1]):
        _text(svg, f"{tick:g}", place_x(tick), TOP + height + 16, "middle")
    _text(svg, x_label, LEFT + width / 2, CHART_HEIGHT - 6, "middle")
    for i, (name, values) in enumerate(series.items()):
        start = LEFT + i * LEGEND_STEP
        _add(svg, "line", f"line-{i}", x1=start, x2=start + 20, y1=10, y2=10)
        _text(svg, name, start + 26, 14, "start")
        _draw_line(svg, [place_x(value) for value in x], values, place_y, f"line-{i}")
    return _markup(svg)


def sparkline(values: Values, title: str) -> Markup:
    """Draws the course of one number, oldest first, over its own range; the newest is marked.

    Args:
        values: the last of them is the newest.
        title: what the values are; the first words of the text alternative.

    Returns:
        An `<svg>` element.

    Raises:
        ValueError: there is no value.
    """
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    width = SPARKLINE_WIDTH - 2 * SPARKLINE_MARGIN
    height = SPARKLINE_HEIGHT - 2 * SPARKLINE_MARGIN
    step = width / max(len(values) - 1, 1)
    places = [SPARKLINE_MARGIN + step * i for i in range(len(values))]

    def place_y(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return SPARKLINE_MARGIN + height * (1 - share)

    told = f"{title}, oldest first: {_list_values(values)}."
    svg = _svg(SPARKLINE_WIDTH, SPARKLINE_HEIGHT, told)
    _draw_line(svg, places, values, place_y, "line-0")
    if values[-1] is not None:
        _add(svg, "circle", "newest", cx=places[-1], cy=place_y(values[-1]), r=4)
    return _markup(svg)


def _draw_line(
    svg: ElementTree.Element,
    places: Sequence[float],
    values: Values,
    place_y: Callable[[float], float],
    css_class: str,
) -> None:
    """Joins neighboring values, and shows each as a dot: one between two gaps is seen as well."""
    path, command = [], "M"
    for x, value in zip(places, values, strict=True):
        if value is None:
            command = "M"
            continue
        path.append(f"{command}{x:.1f} {place_y(value):.1f}")
        command = "L"
        _add(svg, "circle", css_class, cx=x, cy=place_y(value), r=2)
    _add(svg, "path", css_class, d=" ".join(path))


def _round_up(value: float) -> float:
    """The least of 1, 2, 4 and 10 times a power of ten that is not below a positive number."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 4, 10) if factor * power >= value)


def _list_values(values: Values) -> str:
    return ", ".join("none" if value is None else f"{value:.3g}" for value in values)


def _svg(width: int, height: int, told: str) -> ElementTree.Element:
    return ElementTree.Element(
        "svg", {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": told}
    )


def _add(
    parent: ElementTree.Element, tag: str, css_class: str, **attributes: float | str
) -> ElementTree.Element:
    texts = {
        name: value if isinstance(value, str) else f"{value:.1f}"
        for name, value in attributes.items()
    }
    return ElementTree.SubElement(parent, tag, {"class": css_class, **texts})


def _text(parent: ElementTree.Element, text: str, x: float, y: float, anchor: str) -> None:
    _add(parent, "text", "label", x=x, y=y, **{"text-anchor": anchor}).text = text


def _markup(svg: ElementTree.Element) -> Markup:
    return Markup(ElementTree.tostring(svg, encoding="unicode"))
