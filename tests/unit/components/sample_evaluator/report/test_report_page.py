"""The report in a browser: it fits narrow and wide windows, light and dark, without the network."""

import numpy as np
import pytest
from report_data import (
    HOSTILE,
    make_bare_summary,
    make_checks,
    make_metric,
    make_pictures,
    make_summary,
)

from components.metrics import CATALOG
from components.sample_evaluator.report.page import render
from tests.browser import LEAST_CONTRAST, READABLE, assert_quiet

PHONE, DESK = 390, 1200  # widths in pixels

# How many lines each name of a metric takes.
LINES_OF_NAMES = """
[...document.querySelectorAll('[aria-labelledby=metrics] th[scope=row]')].map(cell => {
  const text = document.createRange();
  text.selectNodeContents(cell);
  return new Set([...text.getClientRects()].map(line => line.top)).size;
})
"""


OPEN_DETAILS = "document.querySelectorAll('details').forEach(one => { one.open = true })"

# How far the marks of each bar are from the left and the right of the window.
MARKS = """
[...document.querySelectorAll('svg.place')].map(bar =>
  [...bar.querySelectorAll('circle, text')].map(mark => {
    const box = mark.getBoundingClientRect();
    return [box.left, innerWidth - box.right];
  })
)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(make_summary(), make_pictures()), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_fits_its_window_and_can_be_read(chromium, page, width, scheme):
    chromium.open(page, width, scheme)
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    chromium.evaluate(OPEN_DETAILS)
    assert_quiet(chromium)
    assert chromium.evaluate("innerWidth") == width
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    assert chromium.evaluate(LEAST_CONTRAST) >= READABLE
    shown = chromium.screenshot()
    corner = shown[0, 0]
    assert np.all(corner > 230 if scheme == "light" else corner < 40)
    assert 0.05 < (shown != corner).any(axis=-1).mean() < 0.95


def test_every_picture_is_shown(chromium, page):
    chromium.open(page, PHONE, "light")
    widths = chromium.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 6
    assert min(widths) > 0


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_pictures_stand_above_the_first_table(chromium, page, width):
    chromium.open(page, width, "light")
    bottom = chromium.evaluate("document.images[1].getBoundingClientRect().bottom")
    assert (
        0
        < bottom
        < chromium.evaluate("document.querySelector('table').getBoundingClientRect().top")
    )


def test_samples_stand_beside_held_out_images_on_a_desk_and_above_them_on_a_phone(chromium, page):
    places = "[0, 1].map(i => document.images[i].getBoundingClientRect().top)"
    chromium.open(page, DESK, "light")
    first, second = chromium.evaluate(places)
    assert first == second
    chromium.open(page, PHONE, "light")
    first, second = chromium.evaluate(places)
    assert first < second


def test_a_first_screen_of_a_phone_shows_the_beginning_of_the_samples(chromium, page):
    chromium.open(page, PHONE, "light")
    assert chromium.evaluate("document.images[0].getBoundingClientRect().top") < 600


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_marks_of_bars_are_within_the_window(chromium, page, width):
    chromium.open(page, width, "light")
    bars = chromium.evaluate(MARKS)
    assert len(bars) == 6
    assert min(edge for bar in bars for mark in bar for edge in mark) >= 0


def test_the_name_of_each_metric_stands_in_one_line(chromium, tmp_path):
    limits = {"stddev": 0.002, "maximum": 0.02, "max_worsening": 0.0}
    metrics = {name: make_metric(0.0312, **limits) for name in CATALOG}
    path = tmp_path / "report.html"
    path.write_text(render(make_bare_summary(metrics=metrics), {}), encoding="utf-8")
    for width in (PHONE, DESK):
        chromium.open(path, width, "light")
        chromium.evaluate(OPEN_DETAILS)
        lines = chromium.evaluate(LINES_OF_NAMES)
        assert len(lines) == len(CATALOG)
        assert set(lines) == {1}
        assert chromium.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [PHONE])
def test_a_phone_scrolls_a_wide_table_and_not_the_page(chromium, page, width):
    chromium.open(page, width, "light")
    chromium.evaluate(OPEN_DETAILS)
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    wider = (
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => `${e.ariaLabel} ${e.tabIndex}`)"
    )
    assert "All numbers 0" in chromium.evaluate(wider)


def test_the_first_screen_of_a_phone_contains_the_verdict_and_the_reasons(chromium, page):
    chromium.open(page, PHONE, "light")
    bottom = chromium.evaluate("document.querySelector('header').getBoundingClientRect().bottom")
    assert 0 < bottom < 500


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_long_and_hostile_texts_neither_run_nor_break_the_page(chromium, tmp_path, width):
    long = HOSTILE * 10
    summary = make_bare_summary(
        reasons=[long],
        features=long,
        model={"uri": long},
        metrics={"kid": make_metric(0.1, unavailable=long)},
        checks=make_checks(kid=long),
        warnings=[long],
        folders={"real": long},
        kinds={
            "by": "class",
            "accuracy": None,
            "kinds": [
                {"name": long, "held_out": 1, "expected": 1, "estimated": 1, "missing": True}
            ],
            "unavailable": long,
        },
    )
    path = tmp_path / "report.html"
    path.write_text(render(summary, {}), encoding="utf-8")
    chromium.open(path, width, "light")
    assert_quiet(chromium)
    assert chromium.evaluate("document.scripts.length + document.images.length") == 0
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
