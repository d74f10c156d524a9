"""The pages in a browser: they fit a phone and a desk, by day and by night, and stay quiet."""

import numpy as np
import pytest
from dashboard_story import HOSTILE, Story, tell_everything

from pipeline.monitoring.dashboard.write import write
from pipeline.registry.journal import Outcome
from tests.browser import LEAST_CONTRAST, READABLE, assert_quiet

PHONE, DESK = 390, 1200  # widths in pixels
# The element that has the focus after so many presses of the tab key.
FOCUSED = "document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A dashboard with everything in it, and hostile texts wherever there may be any."""
    folder = tmp_path_factory.mktemp("dashboard")
    story = Story(folder / "workspace")
    tell_everything(story, HOSTILE * 3)
    for day in range(5, 40):
        story.attempt(day, Outcome.NOTHING_NEW)
    write(story.site(day=40), folder / "pages")
    return folder / "pages"


def every_page(folder):
    return [path for path in sorted(folder.rglob("*.html")) if path.parent.name != "reports"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
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


def test_charts_have_the_colors_of_the_page(chromium, pages):
    fill = "getComputedStyle(document.querySelector('figure svg text')).fill"
    colors = []
    for scheme in ("light", "dark"):
        chromium.open(pages / "models.html", DESK, scheme)
        colors.append(chromium.evaluate(fill))
    assert colors[0] != colors[1]


def test_the_first_key_leads_past_the_navigation_and_the_focus_is_seen(chromium, pages):
    chromium.open(pages / "index.html", DESK, "light")
    press_tab(chromium)
    assert chromium.evaluate(FOCUSED) == "Skip to the content"
    assert chromium.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    press_tab(chromium)
    assert chromium.evaluate(FOCUSED) == "Overview"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert chromium.evaluate(outline) == "solid"


def test_what_is_wider_than_a_phone_is_scrolled_by_keys(chromium, pages):
    for page in every_page(pages):
        chromium.open(page, PHONE, "light")
        wide = (
            "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).overflowX === 'auto').map(e => e.tabIndex + e.role)"
        )
        assert set(chromium.evaluate(wide)) <= {"0region"}, page


def test_pictures_are_shown(chromium, pages):
    chromium.open(pages / "index.html", PHONE, "light")
    assert min(chromium.evaluate("[...document.images].map(image => image.naturalWidth)")) > 0


def press_tab(chromium):
    for kind in ("keyDown", "keyUp"):
        chromium.call(
            "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
        )
