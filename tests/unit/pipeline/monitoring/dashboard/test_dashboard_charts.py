import re
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

from pipeline.monitoring.dashboard import charts
from pipeline.monitoring.dashboard.charts import Point

DAY = datetime(2026, 11, 2, 3, tzinfo=timezone.utc)


def quality(*values, verdict="blessed", live=False):
    points = [Point(DAY + timedelta(days=i), v, verdict, live) for i, v in enumerate(values)]
    return charts.quality_chart(points, "kid")


def texts(chart):
    return [text.text for text in ElementTree.fromstring(chart).iter("text")]


def test_a_chart_takes_all_its_colors_and_its_font_from_the_page():
    chart = quality(0.1, 0.2, live=True)
    assert "var(--series)" in chart
    assert not re.search("#[0-9a-f]{6}", chart)
    assert not re.search("style|font|<script|metadata", chart)


def test_each_verdict_has_a_shape_of_its_own():
    shapes = {mark.shape for mark in charts.MARKS.values()}
    assert len(shapes) == len(charts.MARKS)
    drawn = {quality(0.1, verdict=verdict).count("<path") for verdict in charts.MARKS}
    assert all(drawn)


def test_a_chart_says_in_words_what_it_shows():
    points = [Point(DAY, 0.1, "blessed", False)]
    chart = ElementTree.fromstring(charts.quality_chart(points, 'A "quoted" <text>'))
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == 'A "quoted" <text>'


def test_a_value_that_lies_far_off_is_written_at_the_edge():
    points = [Point(DAY + timedelta(days=i), 0.01 + 0.001 * i, "blessed", False) for i in range(5)]
    assert "7.5" not in texts(charts.quality_chart(points, "kid"))
    off = Point(DAY + timedelta(days=5), 7.5, "not blessed", False)
    assert "7.5" in texts(charts.quality_chart([*points, off], "kid"))


def test_one_point_makes_a_chart():
    for value in (0.0, 0.3, -0.001):
        assert texts(quality(value))


def test_charts_of_a_page_share_no_ids():
    ids = [set(re.findall(' id="([^"]+)"', chart)) for chart in (quality(0.1), quality(0.2))]
    assert ids[0]
    other = charts.quality_chart([Point(DAY, 0.1, "blessed", False)], "coverage")
    assert ids[0].isdisjoint(re.findall(' id="([^"]+)"', other))
