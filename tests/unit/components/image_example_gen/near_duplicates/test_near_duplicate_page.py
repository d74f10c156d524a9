"""The page of near-duplicates."""

import pytest

from components.image_example_gen.near_duplicates.page import write_page


@pytest.fixture
def page(tmp_path):
    """A function: number of groups -> the page, which shows none of them."""

    def write(count):
        path = tmp_path / "near_duplicates.html"
        write_page(str(path), str(tmp_path), [], count)
        return path.read_text("utf-8")

    return write


def test_a_phone_shows_the_page_in_its_own_width(page):
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page(1)


@pytest.mark.parametrize(("count", "text"), [(1, "1 group of"), (1234, "1,234 groups of")])
def test_one_group_is_no_plural(page, count, text):
    assert f"<p>{text} images that look nearly alike" in page(count)
