import time

import pytest
from pydantic import BaseModel

from pipeline.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH, YamlError, dump, parse


def failure(text):
    with pytest.raises(YamlError) as error:
        parse(text)
    return f"line {error.value.line}: {error.value}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("on", "off", "yes", "no", "y", "1_000", "12:30:45", "<<")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, None) for word in ("null", "~", "")),
        *(("010", 10), ("0o17", 15), ("0x1F", 31), ("+1", 1), ("-0", 0)),
        *(("1e-3", 0.001), ("1E3", 1000.0), (".5", 0.5), ("1.", 1.0), ("-.inf", -float("inf"))),
        *((".", "."), ("1e", "1e"), ("0b1", "0b1"), ("2024-01-01", "2024-01-01")),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)
    assert parse(f"{text or '~'}: 1") == {value: 1}


def test_a_key_that_stands_twice_is_named_with_both_lines():
    assert failure("a: 1\nb: {c: 1}\n\n'a': 2") == (
        "line 4: the key a is already on line 1; keep one"
    )
    assert failure("b:\n- {c: 1,\n  c: 2}").startswith("line 3: the key c is already on line 2")


WRONG = [
    ("a: &x {b: [1]}\nc: *x", "line 2: an alias (*) is not read: write the value out"),
    ("a: &a [*a]", "line 1: an alias (*) is not read"),
    ("[" * 20_000, f"line 1: nested deeper than {MAX_DEPTH} levels"),
    ("{a: " * 20_000, "nested deeper"),
    ("- " * 20_000, "nested deeper"),
    ("? " * 20_000, "nested deeper"),
    ("- x\n" * 30_000, "more than 20,000 values"),
    ("x" * 10_000_000, f"more than {MAX_CHARACTERS:,} characters"),
    ("9" * 100_000, "is not a valid int"),
    ("!!int x", "line 1: 'x' is not a valid int"),
    ("!!bool maybe", "line 1: 'maybe' is not a valid bool"),
    ("!!binary aGk=", "not YAML: could not determine a constructor"),
    ("!!python/object/apply:os.system ['true']", "not YAML: could not determine"),
    ("? [a]\n: 1", "line 1: a key must be a single value"),
    ("*" + 1000 * "a", "line 1: an alias (*) is not read"),
    ("a: 1\n---\nb: 2", "line 2: not YAML: expected a single document"),
    ("a: \x07", "not YAML: unacceptable character"),
    ("data: !!map [a]", "line 1: not YAML: expected a mapping node"),
    ("a: !!map ab", "line 1: not YAML: expected a mapping node"),
    ("!!seq a: 1", "a key must be a single value"),
    ("? !!map x\n: 1", "a key must be a single value"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[expected for _, expected in WRONG])
def test_what_is_beyond_the_limits_is_rejected_at_once_in_one_short_line(text, expected):
    started = time.process_time()
    said = failure(text)
    assert time.process_time() - started < 5
    assert expected in said
    assert "\n" not in said
    assert len(said) < 300


def test_text_that_would_break_a_line_is_read_back_as_it_was():
    class Section(BaseModel):
        folder: str
        names: dict[str, str] = {}

    for text in ("/p/nel\x85x", "a\u2028b", "naïve ☃ 😀", "tab\tor\nline", "plain"):
        section = Section(folder=text, names={text: text})
        assert parse(dump(section)) == section.model_dump()
    assert "naïve ☃ 😀" in dump(Section(folder="naïve ☃ 😀"))
