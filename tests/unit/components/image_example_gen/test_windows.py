"""The spans that a run reads of one folder, and of two that share their numbers."""

import pytest

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import WindowOptions
from components.image_example_gen.spans import Span
from components.image_example_gen.windows import (
    choose_windows,
    find_windows,
    parse_window,
    window_text,
)


def spans(*numbers):
    return [Span(number, None, str(number)) for number in numbers]


def numbers(windows):
    return tuple([span.number for span in window] for window in windows)


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
    chosen = choose_windows(spans(1, 2, 5), (), newest, window, exclude)
    assert numbers(chosen) == (expected, [])


@pytest.mark.parametrize(
    ("newest", "window", "exclude", "expected"),
    [
        (None, 1, (), ([5], [7])),
        (None, 2, (), ([2, 5], [3, 7])),
        (5, 2, (), ([2, 5], [1, 3])),
        (3, 1, (), ([2], [3])),  # of sources alone
        (7, 2, (5, 3), ([1, 2], [1, 7])),
    ],
)
def test_sources_have_a_window_of_their_own_that_ends_with_the_same_span(
    newest, window, exclude, expected
):
    chosen = choose_windows(spans(1, 2, 5), spans(1, 3, 7), newest, window, exclude)
    assert numbers(chosen) == expected


@pytest.mark.parametrize(
    ("newest", "exclude", "sources", "message"),
    [
        (3, (), (), "span 3 was requested but has no folder; the spans range from 1 to 5"),
        (2, (2,), (), "span 2 was requested but is excluded"),
        (3, (3,), (), "span 3 was requested but is excluded"),
        (None, (1, 2, 5), (), "all spans are excluded"),
        (4, (), (3, 7), "span 4 was requested but has no folder; the spans range from 1 to 7"),
        (None, (1, 2, 5), (7,), "all spans of images are excluded: remove one from data.excl"),
        (None, (5, 7), (5, 7), "all spans of sources are excluded: remove one from data.exclude"),
        (2, (), (5, 7), "span 2 was requested, but the spans of sources begin with 5"),
        (0, (), (0, 7), "span 0 was requested, but the spans of images begin with 1"),
    ],
)
def test_an_impossible_window_is_a_one_line_error(newest, exclude, sources, message):
    with pytest.raises(ImageDataError, match=message) as error:
        choose_windows(spans(1, 2, 5), spans(*sources), newest, 1, exclude)
    assert "\n" not in str(error.value)


def test_sources_without_spans_are_read_whatever_is_requested_or_excluded(tmp_path):
    for name in ("images/0", "images/3", "images/4", "sources/summer"):
        (tmp_path / name).mkdir(parents=True)
    folders = f"{tmp_path}/images", f"{tmp_path}/sources"

    def found(pattern):
        options = WindowOptions(pattern="{SPAN}", source_pattern=pattern, exclude=(0,))
        return find_windows(folders[0], options, 3, folders[1])

    assert found("") == ((Span(3, None, "3"),), (Span(0, None, ""),))
    assert found("summer").sources == (Span(0, None, "summer"),)
    with pytest.raises(ImageDataError, match=r"sources: no folder matches the pattern 'w\{SPAN\}'"):
        found("w{SPAN}")


def test_a_window_is_a_property_and_back():
    window = (Span(3, None, "3"), Span(4, 2, "4/v2"))
    assert parse_window(window_text(window)) == window
    assert parse_window(window_text(())) == ()
