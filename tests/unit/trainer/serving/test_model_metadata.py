import json

import pytest

from trainer.ode.options import LimitOptions
from trainer.serving.model_metadata import MetadataError, parse
from trainer.source.options import Source

WHOLE = {
    "nb_step": 4,
    "shape": [8, 8, 1],
    "labels": ["cat"],
    "fixed_steps": True,
    "limits": LimitOptions().model_dump(),
    "source": Source(degrade="gray").model_dump(),
    "weights": "0123",
    "teacher": "model/5/Format-Serving",
    "warm_started_from": None,
    "config": {"sample": {"nb_step": 4}},
    "split": {"data.holdout": None},
    "of a later version": [1],
}


@pytest.mark.parametrize("about", [{}, WHOLE])
def test_metadata_that_are_whole_or_of_an_earlier_version_are_returned_as_they_are(about):
    assert parse(json.dumps(about)).recorded == about


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nb_step", 0),
        ("nb_step", "4"),
        ("nb_step", True),
        ("nb_step", 2.5),
        ("nb_step", None),
        ("nb_step", 2**31),
        ("shape", 5),
        ("shape", [8, 8]),
        ("shape", [8, 0, 1]),
        ("labels", "abc"),
        ("labels", [1]),
        ("labels", None),
        ("fixed_steps", "no"),
        ("limits", [1]),
        ("limits", None),
        ("limits", {"images": 0}),
        ("source", "x"),
        ("source", {"degrade": "nothing"}),
        ("weights", 5),
        ("teacher", 5),
        ("config", {"sample": []}),
        ("split", [1]),
    ],
)
def test_a_field_of_another_kind_is_named_in_one_line(field, value):
    with pytest.raises(MetadataError, match=rf"^{field}[.:]") as error:
        parse(json.dumps({**WHOLE, field: value}))
    assert "\n" not in str(error.value)


def test_a_field_that_is_needed_is_named_if_it_is_missing():
    with pytest.raises(MetadataError, match=r"^shape: missing$"):
        parse('{"nb_step": 4}', "nb_step", "shape")


@pytest.mark.parametrize("content", ["", "[1]", "[" * 100_000, "9" * 5000])
def test_what_is_no_object_is_an_error_of_one_line(content):
    with pytest.raises(MetadataError) as error:
        parse(content)
    assert "\n" not in str(error.value)
