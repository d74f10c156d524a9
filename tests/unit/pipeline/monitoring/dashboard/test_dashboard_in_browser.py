"""The pages in a browser: they fit a phone and a desk, in light and dark, and load nothing."""

import numpy as np
import pytest
from dashboard_realistic import record_month
from dashboard_story import HOSTILE, Story, record_everything

from pipeline.monitoring.dashboard.write import write
from pipeline.registry.journal import Outcome
from tests.browser import LEAST_CONTRAST, READABLE, assert_quiet

PHONE, DESK = 360, 1200  # widths in pixels
# Elements that leave the window, that are wider than their place, and columns that are too narrow.
BEYOND = "const beyond = e => e.getBoundingClientRect().right > innerWidth + 1"
WIDER = "const wider = e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth"
NARROW = (
    "const narrow = e => e.matches('.scroll td, .scroll tbody th') && e.clientWidth < 100"
    " && e.textContent.trim().length > 20"
)
MISPLACED = f"""(() => {{
  {BEYOND}; {WIDER}; {NARROW};
  return [...document.querySelectorAll('main *:not(.hidden, .hidden *, svg *)')]
    .filter(e => beyond(e) || wider(e) || narrow(e))
    .map(e => `${{e.tagName}} ${{e.textContent.trim().slice(0, 40)}}`);
}})()"""
# The text of the focused element.
FOCUSED = "document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A dashboard with everything in it, and hostile text wherever text may appear."""
    folder = tmp_path_factory.mktemp("dashboard")
    story = Story(folder / "workspace")
    record_everything(story, HOSTILE * 3)
    for day in range(5, 40):
        story.attempt(day, Outcome.NOTHING_NEW)
    write(story.site(day=40), folder / "pages")
    return folder / "pages"


def every_page(folder):
    return [path for path in sorted(folder.rglob("*.html")) if path.parent.name != "reports"]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_page_fits_its_window_and_can_be_read(chromium, pages, width, scheme):
    for page in every_page(pages):
        chromium.open(page, width, scheme)
        assert_quiet(chromium)
        assert chromium.evaluate("document.documentElement.scrollWidth") == width, page
        assert chromium.evaluate(LEAST_CONTRAST) >= READABLE, page
        assert chromium.evaluate("document.scripts.length") == 0
        shown = chromium.screenshot()
        corner = shown[0, 0]
        assert np.all(corner > 230 if scheme == "light" else corner < 40), page


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """The pages of a month with many metrics, long paths and long reasons, one of each kind."""
    folder = tmp_path_factory.mktemp("month")
    story = Story(folder / "workspace")
    record_month(story)
    write(story.site(day=30), folder / "pages")
    models = sorted((folder / "pages" / "models").iterdir(), key=lambda page: int(page.stem))
    return [*(folder / "pages").glob("*.html"), models[0], *models[-3:]]


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_long_names_paths_and_reasons_have_room(chromium, month, width):
    for page in month:
        chromium.open(page, width, "light")
        chromium.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        assert chromium.evaluate("document.documentElement.scrollWidth") <= width, page
        assert chromium.evaluate(MISPLACED) == [], page


def test_charts_have_the_colors_of_the_page(chromium, pages):
    fill = "getComputedStyle(document.querySelector('figure svg text')).fill"
    colors = []
    for scheme in ("light", "dark"):
        chromium.open(pages / "models.html", DESK, scheme)
        colors.append(chromium.evaluate(fill))
    assert colors[0] != colors[1]


def test_the_first_tab_skips_the_navigation_and_the_focus_is_visible(chromium, pages):
    chromium.open(pages / "index.html", DESK, "light")
    press_tab(chromium)
    assert chromium.evaluate(FOCUSED) == "Skip to content"
    assert chromium.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    press_tab(chromium)
    assert chromium.evaluate(FOCUSED) == "Overview"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert chromium.evaluate(outline) == "solid"


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_table_is_cut_off(chromium, pages, width):
    cut_off = (
        "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1"
        " && getComputedStyle(e).overflowX === 'auto').map(e => e.ariaLabel)"
    )
    for page in every_page(pages):
        chromium.open(page, width, "light")
        assert chromium.evaluate(cut_off) == [], page


def test_a_table_that_is_wider_than_its_place_is_scrolled_by_keys(chromium, pages):
    scrolled = (
        "[...document.querySelectorAll('main *')]"
        ".filter(e => getComputedStyle(e).overflowX === 'auto').map(e => e.tabIndex + e.role)"
    )
    chromium.open(pages / "runs.html", DESK, "light")
    assert set(chromium.evaluate(scrolled)) == {"0region"}


def test_the_reason_of_a_verdict_is_as_wide_as_its_table(chromium, pages):
    chromium.open(pages / "models.html", DESK, "light")
    width = "document.querySelector('{}').clientWidth"
    reason, table = (chromium.evaluate(width.format(each)) for each in (".reason td", "table"))
    assert reason >= table - 1


def test_pictures_are_shown(chromium, pages):
    chromium.open(pages / "index.html", PHONE, "light")
    assert min(chromium.evaluate("[...document.images].map(image => image.naturalWidth)")) > 0


def press_tab(chromium):
    for kind in ("keyDown", "keyUp"):
        chromium.call(
            "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
        )
