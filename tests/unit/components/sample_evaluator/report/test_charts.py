"""Charts place each value where it belongs."""

import pytest

from components.sample_evaluator.report.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    line_chart,
    sparkline,
)


def test_points_lie_where_the_axes_say():
    chart = line_chart([0.0, 0.25, 1.0], {"candidate": [0.0, 1.0, 2.0], "ceiling": [2.0] * 3})
    rising, level = (line.points for line in chart.lines)
    assert rising == [(LEFT, BOTTOM), (115.0, (TOP + BOTTOM) / 2), (RIGHT, TOP)]
    assert [y for _, y in level] == [TOP] * 3
    assert chart.y_ticks == {"0": BOTTOM, "0.5": 126.0, "1": 92.0, "1.5": 58.0, "2": TOP}
    assert chart.x_ticks == {"0": LEFT, "0.5": 194.0, "1": RIGHT}


@pytest.mark.parametrize("largest", [0.3, 1.0, 31])
def test_the_axis_starts_at_zero_and_shows_every_value(largest):
    chart = line_chart([1, 2, 3], {"candidate": [0.1 * largest, largest, 0.5 * largest]})
    heights = [(BOTTOM - y) / (BOTTOM - TOP) for _, y in chart.lines[0].points]
    assert 0.6 < heights[1] <= 1
    assert [each / heights[1] for each in heights] == pytest.approx([0.1, 1, 0.5], abs=0.01)
    assert 2 < len(chart.y_ticks) <= 5


def test_a_line_is_broken_where_a_value_is_missing():
    line = sparkline([1.0, 2.0, None, 3.0, 4.0])
    assert [len(part.split()) for part in line.parts] == [2, 2]
    assert len(line.points) == 4


def test_a_sparkline_spans_its_own_range_and_marks_the_newest_value():
    line = sparkline([-3.0, 5.0, 1.0])
    low, high, newest = (y for _, y in line.points)
    assert newest == (low + high) / 2
    assert low > high
    assert line.newest == line.points[-1]
    assert sparkline([0.5, None]).newest is None
