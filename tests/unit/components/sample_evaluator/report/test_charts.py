"""Charts show each value where it belongs, and say it in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from components.sample_evaluator.report.charts import (
    BOTTOM,
    CHART_HEIGHT,
    CHART_WIDTH,
    LEFT,
    RIGHT,
    SPARKLINE_HEIGHT,
    SPARKLINE_MARGIN,
    TOP,
    line_chart,
    sparkline,
)


def parse(markup):
    return ElementTree.fromstring(str(markup))


def dots(svg, css_class):
    found = [circle for circle in svg.iter("circle") if circle.get("class") == css_class]
    return np.array([[float(circle.get(name)) for name in ("cx", "cy")] for circle in found])


def chart(series, x=(0.0, 0.25, 1.0)):
    return parse(line_chart(x, series, title="Error", x_label="alpha", x_range=(0, 1)))


def test_points_lie_where_the_axes_say():
    svg = chart({"candidate": [0.0, 1.0, 2.0], "ceiling": [2.0, 2.0, 2.0]})
    bottom, right = CHART_HEIGHT - BOTTOM, CHART_WIDTH - RIGHT
    middle = (TOP + bottom) / 2
    expected = [[LEFT, bottom], [LEFT + 0.25 * (right - LEFT), middle], [right, TOP]]
    np.testing.assert_allclose(dots(svg, "line-0"), expected, atol=0.051)
    np.testing.assert_allclose(dots(svg, "line-1")[:, 1], TOP, atol=0.051)
    assert [text.text for text in svg.iter("text")][:3] == ["0", "1", "2"]


@pytest.mark.parametrize(("largest", "top"), [(0.3, "0.4"), (0.9, "1"), (1.0, "1"), (31, "40")])
def test_the_axis_ends_at_a_round_number_that_holds_every_value(largest, top):
    svg = chart({"candidate": [0.0, largest, 0.0]})
    assert [text.text for text in svg.iter("text")][2] == top
    assert dots(svg, "line-0")[:, 1].min() >= TOP


def test_the_text_alternative_tells_every_value():
    told = chart({"candidate": [0.5, None, 0.25]}).get("aria-label")
    assert told == "Error. At alpha 0, 0.25, 1: candidate: 0.5, none, 0.25."
    told = parse(sparkline([0.03, None, 0.01], "kid")).get("aria-label")
    assert told == "kid, oldest first: 0.03, none, 0.01."


def test_a_line_is_broken_where_a_value_is_missing():
    svg = parse(sparkline([1.0, 2.0, None, 3.0, 4.0], "kid"))
    [path] = svg.iter("path")
    assert re.findall("[ML]", path.get("d")) == ["M", "L", "M", "L"]
    assert len(dots(svg, "line-0")) == 4


def test_a_sparkline_fills_its_height_and_marks_the_newest_value():
    svg = parse(sparkline([-3.0, 5.0, 1.0], "kid"))
    heights = dots(svg, "line-0")[:, 1]
    low, high = SPARKLINE_HEIGHT - SPARKLINE_MARGIN, SPARKLINE_MARGIN
    np.testing.assert_allclose(heights, [low, high, (low + high) / 2], atol=0.051)
    np.testing.assert_array_equal(dots(svg, "newest"), dots(svg, "line-0")[-1:])


def test_equal_values_lie_in_the_middle():
    svg = parse(sparkline([0.5, 0.5], "kid"))
    np.testing.assert_allclose(dots(svg, "line-0")[:, 1], SPARKLINE_HEIGHT / 2)


def test_a_missing_newest_value_is_not_marked():
    assert len(dots(parse(sparkline([0.5, None], "kid")), "newest")) == 0


def test_names_are_no_markup():
    hostile = "\"><script>alert('x')</script>"
    svg = chart({hostile: [1.0, 1.0, 1.0]})
    assert hostile in [text.text for text in svg.iter("text")]
    assert hostile in svg.get("aria-label")
    assert not list(svg.iter("script"))
