"""Charts place each value where it belongs, and contain it in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from components.sample_evaluator.report.charts import line_chart, sparkline

POINT = re.compile(r"([ML]) ([\d.]+) ([\d.]+)")


def parse(markup):
    return ElementTree.fromstring(str(markup))


def chart(series, x=(0.0, 0.25, 1.0)):
    return parse(line_chart(x, series, title="Error", x_label="alpha", x_range=(0, 1)))


def paths(svg, color):
    """The lines of a color: the commands of each, and its points [N, 2] in units of the drawing."""
    found = [
        POINT.findall(path.get("d"))
        for path in svg.iter("path")
        if path.get("stroke") == color and path.get("clip-path")
    ]
    return [
        ("".join(command for command, *_ in path), np.array([place for _, *place in path], float))
        for path in found
    ]


def line(svg, color="var(--series)"):
    [path] = paths(svg, color)
    return path


def rings(svg):
    return [use for use in svg.iter("use") if use.get("fill") == "var(--page)"]


def test_points_lie_where_the_axes_say():
    svg = chart({"candidate": [0.0, 1.0, 2.0], "ceiling": [2.0, 2.0, 2.0]})
    _, rising = line(svg)
    _, level = line(svg, "var(--text)")
    steps = np.diff(rising, axis=0)
    assert steps[1, 0] == pytest.approx(3 * steps[0, 0], rel=1e-3)
    assert steps[1, 1] == pytest.approx(steps[0, 1], rel=1e-3)
    np.testing.assert_allclose(level[:, 1], rising[-1, 1], atol=1e-3)
    texts = [text.text for text in svg.iter("text")]
    assert {"0", "2", "alpha", "candidate", "ceiling"} <= set(texts)


@pytest.mark.parametrize("largest", [0.3, 1.0, 31])
def test_the_axis_starts_at_zero_and_shows_every_value(largest):
    svg = chart({"candidate": [0.1 * largest, largest, 0.5 * largest]})
    _, points = line(svg)
    zero = max(points[:, 1].max() for _, points in paths(svg, "var(--line)"))
    np.testing.assert_allclose((zero - points[:, 1]) / (zero - points[1, 1]), [0.1, 1, 0.5])
    assert points[:, 1].min() > 0


def test_the_text_alternative_contains_every_value():
    alternative = chart({"candidate": [0.5, None, 0.25]}).get("aria-label")
    assert alternative == "Error. At alpha 0, 0.25, 1: candidate: 0.5, none, 0.25."
    alternative = parse(sparkline([0.03, None, 0.01], "kid")).get("aria-label")
    assert alternative == "kid, oldest first: 0.03, none, 0.01."


def test_a_line_is_broken_where_a_value_is_missing():
    svg = parse(sparkline([1.0, 2.0, None, 3.0, 4.0], "kid"))
    assert line(svg)[0] == "MLML"


def test_a_sparkline_spans_its_own_range_and_marks_the_newest_value():
    svg = parse(sparkline([-3.0, 5.0, 1.0], "kid"))
    _, points = line(svg)
    low, high, newest = points[:, 1]
    assert newest == pytest.approx((low + high) / 2, abs=0.01)
    height = float(svg.get("viewBox").split()[3])
    assert low - high > 0.5 * height
    [ring] = rings(svg)
    assert [float(ring.get(name)) for name in ("x", "y")] == pytest.approx(points[-1], abs=0.01)


def test_a_missing_newest_value_is_not_marked():
    svg = parse(sparkline([0.5, None], "kid"))
    assert not rings(svg)


def test_names_are_not_markup():
    hostile = "\"><script>alert('x')</script>"
    svg = chart({hostile: [1.0, 1.0, 1.0]})
    assert hostile in [text.text for text in svg.iter("text")]
    assert hostile in svg.get("aria-label")
    assert not list(svg.iter("script"))
