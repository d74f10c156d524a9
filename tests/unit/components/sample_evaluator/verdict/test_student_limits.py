"""The limits of a student whose teacher, the baseline, misses some of them."""

import pytest
from measured import judge, source

from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.checks import left_out


def limited(**thresholds):
    return EvaluateOptions(samples=200, limits="none", thresholds=thresholds)


def beside_teacher(teacher, place=0.5, **student):
    """Values of a student; KID is 0 of training images and 1 of noise."""
    measured = {"kid": place, "kid_proven_place": place - 0.02, "kid_place_margin": 0.02}
    return {
        "real": source(),
        "train": source(kid=0.0),
        "noise": source(kid=1.0),
        "candidate": source(**measured | student),
        "baseline": source(kid=teacher),
    }


def judge_student(values, options):
    return judge(values, options, by_teacher=True)


@pytest.mark.parametrize(
    "limits",
    [
        {"maximum": 0.3, "max_worsening": 0.0},
        {"minimum": 0.7, "max_worsening": 0.0},
        {"max_place": 0.3, "max_worsening": 0.0},
    ],
    ids=["maximum", "minimum", "place"],
)
def test_a_limit_that_the_teacher_misses_rejects_no_student(limits):
    worsening = {"kid_worsening": -0.01, "kid_margin": 0.02}
    verdict = judge_student(beside_teacher(0.4, **worsening), limited(kid=Threshold(**limits)))
    assert verdict.blessed
    field = next(iter(limits))
    stated = f"without {field}: its teacher misses it as well"
    assert left_out(verdict.checks) == [f"kid is judged {stated}"]
    assert not any(f"{limits[field]:g}" in reason for reason in verdict.reasons)


def test_a_student_that_is_worse_than_a_teacher_beyond_its_limits_is_rejected():
    options = limited(kid=Threshold(maximum=0.3, max_place=0.3, max_worsening=0.0))
    values = beside_teacher(0.4, kid_worsening=0.09, kid_margin=0.01)
    verdict = judge_student(values, options)
    assert verdict.reasons == (
        "kid 0.5 is worse than the baseline's 0.4 by 0.1: more than 0.01, the allowed 0 plus the "
        "spread over seeds",
    )


@pytest.mark.parametrize(
    ("limits", "value", "blessed"),
    [
        ({"maximum": 0.3}, 0.4, True),
        ({"maximum": 0.3}, 0.41, False),
        ({"minimum": 0.7}, 0.4, True),
        ({"minimum": 0.7}, 0.39, False),
    ],
)
def test_without_a_limit_on_its_change_a_value_must_not_be_beyond_that_of_the_teacher(
    limits, value, blessed
):
    verdict = judge_student(beside_teacher(0.4, value), limited(kid=Threshold(**limits)))
    assert verdict.blessed == blessed
    assert verdict.reasons[0].endswith(" 0.4")
    assert not left_out(verdict.checks)


@pytest.mark.parametrize(("place", "blessed"), [(0.41, True), (0.43, False)])
def test_without_a_limit_on_its_change_a_place_must_not_be_beyond_that_of_the_teacher(
    place, blessed
):
    options = limited(kid=Threshold(max_place=0.3))
    verdict = judge_student(beside_teacher(0.4, place), options)
    assert verdict.blessed == blessed
    assert "at most 40%" in verdict.reasons[0]
    assert not left_out(verdict.checks)


@pytest.mark.parametrize("teacher", [None, 0.29, 0.31])
def test_limits_that_the_teacher_meets_within_its_error_stay(teacher):
    options = limited(kid=Threshold(maximum=0.34, max_place=0.3, max_worsening=0.0))
    measured = {} if teacher is None else {"kid": teacher}
    values = {**beside_teacher(0.0, place=0.33), "baseline": source(**measured)}
    verdict = judge_student(values, options)
    assert verdict.limits == options.judged
    assert "at most 30% allowed" in verdict.reasons[0]


def test_of_two_bounds_only_the_one_that_the_teacher_misses_changes():
    options = limited(kid=Threshold(minimum=0.45, maximum=0.55))
    verdict = judge_student(beside_teacher(0.4, 0.42), options)
    assert verdict.blessed
    verdict = judge_student(beside_teacher(0.4, 0.6), options)
    assert verdict.reasons == ("kid 0.6 exceeds 0.55",)


def test_a_student_without_a_value_is_rejected_although_its_teacher_misses_the_limit():
    values = beside_teacher(0.4)
    values["candidate"] = source(kid_unavailable="NaN in the features")
    verdict = judge_student(values, limited(kid=Threshold(maximum=0.3)))
    assert verdict.reasons == ("kid cannot be computed: NaN in the features",)


def test_the_place_of_a_teacher_is_measured_on_the_way_of_every_gate():
    name = "layout_distance"
    values = {
        "real": source(),
        "train": source(**{name: 1.5}),
        "noise": source(**{name: 21.5}),
        "candidate": source(
            **{name: 3.0, f"{name}_proven_place": 0.03, f"{name}_place_margin": 0.0}
        ),
        "baseline": source(**{name: 2.5}),
    }
    options = limited(**{name: Threshold(max_place=0.025)})
    assert judge_student(values, options).limits == options.judged  # 1 of 60, and not of 20
