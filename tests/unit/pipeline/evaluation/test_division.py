"""What is compared is what the training of the model held out, as far as it is recorded."""

import hashlib
from pathlib import Path

import pytest

from components.image_example_gen.example import split_of
from pipeline.config.sections import DataConfig
from pipeline.evaluation.division import divide

MODEL, OTHER = Path("serving/1"), Path("serving/2")
GROUPS = [hashlib.sha256(bytes([i, j])).hexdigest() for i in range(4) for j in range(250)]


def metadata(percent, pattern=None, near_duplicates="group", **more):
    split = {"data.eval_percent": percent, "data.group_pattern": pattern, "data.holdout": None}
    if near_duplicates:
        split["data.near_duplicates"] = near_duplicates
    return {"split": split, **more}


def held_out(percent, salt=""):
    return {group for group in GROUPS if split_of(group, percent, salt) == "eval"}


def compared(division):
    return held_out(division.options["eval_percent"], division.salt)


@pytest.mark.parametrize("percent", [1, 20, 37])
def test_nothing_is_compared_that_the_training_of_the_model_saw(percent):
    division = divide(DataConfig(), {MODEL: metadata(percent)})
    assert compared(division) == held_out(percent)
    assert division.by_training
    assert division.line == (
        "compared: images that the training held out, if it read this folder, "
        f"by data.eval_percent={percent}, "
        'data.near_duplicates="group"'
    )


def test_the_conversion_is_that_of_the_training_and_what_is_set_is_reported():
    recorded = metadata(20, conversion={"fit": "pad", "background": "#000000"})
    line = divide(DataConfig(), {MODEL: recorded}).line
    assert line.endswith('data.eval_percent=20, data.near_duplicates="group"')
    line = divide(DataConfig(fit="crop", background="#000000"), {MODEL: recorded}).line
    assert line.startswith("warning: compared: ")
    assert line.endswith(', as is set; the training had data.fit="pad"')


def test_two_models_whose_images_were_converted_otherwise_are_a_warning():
    padded, cropped = (
        metadata(20, conversion={"fit": fit, "background": "#ffffff"}) for fit in ("pad", "crop")
    )
    line = divide(DataConfig(), {MODEL: padded, OTHER: cropped}).line
    assert line.startswith("warning: ")
    assert line.endswith("the training of the baseline converted images otherwise")
    translator = metadata(20, source={"fit": "pad", "background": "#ffffff"})
    line = divide(DataConfig(fit="crop"), {MODEL: translator}).line
    assert not line.startswith("warning")


def test_of_two_models_only_what_both_trainings_held_out_is_compared():
    for percents in ((20, 35), (35, 20)):
        models = zip((MODEL, OTHER), map(metadata, percents), strict=True)
        division = divide(DataConfig(), dict(models))
        assert compared(division) == held_out(20) & held_out(35)
        assert not division.line.startswith("warning")


def test_groups_and_near_duplicates_are_those_of_the_training():
    recorded = metadata(20, "(a)", near_duplicates=None)
    options = divide(DataConfig(), {MODEL: recorded}).options
    assert options == {"eval_percent": 20, "group_pattern": "(a)", "near_duplicates": "off"}


def test_other_groups_of_a_baseline_are_a_warning():
    division = divide(DataConfig(), {MODEL: metadata(20), OTHER: metadata(20, "(a)")})
    assert division.options["group_pattern"] is None
    assert division.line.startswith("warning: ")
    assert division.line.endswith("the training of the baseline grouped images otherwise")


def test_what_is_set_has_precedence_and_the_difference_is_reported():
    data = DataConfig(eval_percent=40, near_duplicates="group")
    division = divide(data, {MODEL: metadata(20)})
    assert compared(division) == held_out(40)
    assert division.line.startswith("warning: compared: ")
    assert division.line.endswith(", as is set; the training had data.eval_percent=20")
    assert not divide(DataConfig(eval_percent=20), {MODEL: metadata(20)}).line.startswith("warning")


def test_near_duplicates_that_are_not_grouped_are_no_difference():
    recorded = metadata(20, near_duplicates=None)
    division = divide(DataConfig(near_duplicates="off"), {MODEL: recorded})
    assert division.line.startswith("compared: ")
    assert division.options["near_duplicates"] == "off"


@pytest.mark.parametrize(
    "recorded",
    [
        {},
        {"split": None},
        {"split": {}},
        {"split": {"data.eval_percent": 99}},
        {"split": {"data.eval_percent": 20, "data.group_pattern": "("}},
    ],
)
def test_a_model_that_does_not_record_its_split_is_a_warning_and_half_is_compared(recorded):
    division = divide(DataConfig(), {MODEL: recorded})
    assert compared(division) == held_out(50, "evaluate:")
    assert not division.by_training
    assert division.line.startswith("warning: serving/1 does not say which images its training")
    assert "set data.eval_percent to that of the training" in division.line
    as_said = divide(DataConfig(eval_percent=30), {MODEL: recorded})
    assert compared(as_said) == held_out(30)


def test_a_folder_of_images_is_compared_with_any_half_and_nothing_is_said():
    division = divide(DataConfig(eval_percent=20), {})
    assert compared(division) == held_out(50, "evaluate:")
    assert division.line == ""


def test_a_model_that_translates_brings_how_images_are_fitted():
    division = divide(DataConfig(), {MODEL: metadata(20, source={"fit": "pad"})})
    assert "data.fit" not in division.line
