import pytest

from trainer.common.text import (
    ending,
    first_line,
    list_some,
    percentage,
    quantity,
    side_by_side,
    without_secrets,
)


def test_a_few_names_are_all_listed():
    assert list_some(["cat", "äpfel"]) == "cat, äpfel"


def test_of_many_names_the_first_are_listed_and_the_others_counted():
    assert list_some([f"n{i}" for i in range(1200)]).endswith(", n9 and 1,190 more")


def test_control_characters_in_names_are_escaped():
    assert list_some(["a\nb", "\x1b[31m"]) == r"a\nb, \x1b[31m"


def test_the_end_of_a_path_tells_what_it_is_and_not_where():
    path = "/home/alice/workspace/artifacts/Trainer/model/5/Format-Serving"
    assert ending(path, 3) == "model/5/Format-Serving"
    assert ending(f"{path}/", 1) == "Format-Serving"


def test_one_is_not_a_plural():
    assert [quantity(n, "image") for n in (0, 1, 1200)] == ["0 images", "1 image", "1,200 images"]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, "0%"),
        (1 / 300, "under 1%"),
        (0.25, "25%"),
        (299 / 300, "over 99%"),
        (1, "100%"),
    ],
)
def test_a_small_share_is_not_none_and_a_large_one_not_all(share, expected):
    assert percentage(share) == expected


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        (0.0312345, 0.02, ("0.03123", "0.02")),
        (0.020001, 0.02, ("0.020001", "0.02")),
        (0.02, 0.02, ("0.02", "0.02")),
        (0.1 + 0.2, 0.3, ("0.30000000000000004", "0.29999999999999999")),
    ],
)
def test_numbers_that_differ_look_different(value, limit, expected):
    assert side_by_side(value, limit) == expected


def test_of_a_long_name_the_beginning_is_shown():
    assert list_some(["a" * 1000, "b"]) == "a" * 79 + "…, b"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("\n no such file \nTraceback"), "no such file "),
        (KeyError(), "KeyError"),
        (ValueError("x" * 1000), "x" * 300),
    ],
)
def test_of_an_error_the_first_line_is_reported(error, expected):
    assert first_line(error) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://bob:pw@host/x.zip?sig=1: no", "at https://…@host/x.zip?… no"),
        ('"http://minio:pw@127.0.0.1:9/b?list-type=2"', '"http://…@127.0.0.1:9/b?…"'),
        ("s3://bucket/a b?.png and me@x.org?", "s3://bucket/a b?.png and me@x.org?"),
    ],
)
def test_passwords_and_signatures_in_urls_are_hidden(text, shown):
    assert without_secrets(text) == shown
