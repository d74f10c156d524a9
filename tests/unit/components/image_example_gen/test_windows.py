"""The spans that a run reads."""

import pytest

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.spans import Span
from components.image_example_gen.windows import choose_window, parse_window, window_text


def spans(*numbers):
    return [Span(number, str(number)) for number in numbers]


@pytest.mark.parametrize(
    ("newest", "window", "exclude", "expected"),
    [
        (None, 1, (), [5]),
        (None, 2, (), [2, 5]),
        (None, 9, (), [1, 2, 5]),
        (None, 0, (), [1, 2, 5]),
        (2, 1, (), [2]),
        (2, 0, (), [1, 2]),
        (None, 1, (5, 7), [2]),
        (None, 2, {2}, [1, 5]),
        (5, 2, {2}, [1, 5]),
    ],
)
def test_a_window_ends_with_the_newest_span_and_skips_excluded_ones(
    newest, window, exclude, expected
):
    chosen = choose_window(spans(1, 2, 5), newest, window, exclude)
    assert [span.number for span in chosen] == expected


@pytest.mark.parametrize(
    ("newest", "exclude", "message"),
    [
        (3, (), "span 3 was requested but has no folder; the spans range from 1 to 5"),
        (2, (2,), "span 2 was requested but is excluded"),
        (3, (3,), "span 3 was requested but is excluded"),
        (None, (1, 2, 5), "all spans are excluded"),
    ],
)
def test_an_impossible_window_is_a_one_line_error(newest, exclude, message):
    with pytest.raises(ImageDataError, match=message) as error:
        choose_window(spans(1, 2, 5), newest, 1, exclude)
    assert "\n" not in str(error.value)


def test_a_window_is_a_property_and_back():
    window = (Span(3, "3"), Span(4, "4/in"))
    assert parse_window(window_text(window)) == window
    assert parse_window(window_text(())) == ()
