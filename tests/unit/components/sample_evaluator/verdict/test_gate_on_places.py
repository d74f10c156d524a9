"""What the gate says about places between training images and noise, and about kinds of images."""

import dataclasses

import pytest
from measured import judge, source

from components.metrics.kinds import Kind, Kinds
from components.sample_evaluator.measure.results import MetricResult
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.checks import left_out, missed
from components.sample_evaluator.verdict.limits import BEST_SLACK

KID = {"kid": Threshold(max_place=0.2)}
OPTIONS = EvaluateOptions(samples=200, limits="none", thresholds=KID)
TOO_FEW = "200 images are too few for 128 feature dimensions: at least 256 are needed"


def placed(place, margin=0.02, **candidate):
    """Values of a candidate whose KID has a place."""
    measured = {"kid": 0.03, "kid_proven_place": place - margin, "kid_place_margin": margin}
    return {
        "real": source(),
        "train": source(kid=-0.0005, coverage=0.9, precision=0.8, density=1.0),
        "candidate": source(**measured | candidate),
        "noise": source(kid=0.2),
    }


def changing(**thresholds):
    return OPTIONS.model_copy(update={"thresholds": thresholds})


def test_a_model_within_its_place_is_blessed_and_the_place_is_said():
    verdict = judge(placed(0.21), OPTIONS)
    assert verdict.blessed
    assert verdict.reasons == (
        "on the way from real images to noise, less the error: kid 19% (at most 20%)",
    )
    assert not (missed(verdict.checks) or left_out(verdict.checks) or verdict.warnings)


def test_a_place_of_a_whole_way_is_written_without_an_exponent():
    options = changing(kid=Threshold(max_place=0.2).model_copy(update={"max_place": 1.03}))
    [reason] = judge(placed(1.02), options).reasons
    assert reason.endswith("kid 100% (at most 103%)")


def test_a_model_that_is_too_near_to_noise_is_refused_by_what_its_error_leaves():
    verdict = judge(placed(0.3), OPTIONS)
    assert not verdict.blessed
    assert verdict.reasons == (
        "kid 0.03 is at least 28% of the way from that of training images, -0.0005, to that of "
        "noise: at most 20% allowed",
    )
    assert missed(verdict.checks) == {"kid": verdict.reasons[0]}


def test_the_numbers_of_a_place_have_the_digits_that_show_the_comparison():
    [reason] = judge(placed(0.2200001), OPTIONS).reasons
    assert "at least 20.00001% of the way" in reason
    assert reason.endswith("at most 20% allowed")


@pytest.mark.parametrize(
    ("best", "allowed"), [(0.04, 0.09), (0.0, 0.05), (-0.3, 0.05)], ids=["worse", "even", "better"]
)
def test_a_model_is_compared_with_the_best_earlier_one_but_not_beyond_training_images(
    best, allowed
):
    assert allowed == max(best, 0) + BEST_SLACK * 0.2
    best = {"kid": best, "coverage": -1.0}
    assert judge(placed(allowed + 0.019), OPTIONS, earlier=[{"places": best}]).blessed
    verdict = judge(placed(allowed + 0.021), OPTIONS, earlier=[{"places": best}])
    assert not verdict.blessed
    [reason] = verdict.reasons
    assert missed(verdict.checks) == {"kid": reason}
    assert reason.startswith(f"kid 0.03 is at least {100 * allowed + 0.1:.3g}% of the way from ")
    shown = max(100 * best["kid"], 0)
    assert f"that of the best earlier model at most {shown:.3g}%" in reason
    assert reason.endswith(f"at most {100 * allowed:.3g}% allowed")


def test_the_best_earlier_model_limits_no_metric_whose_place_has_no_limit():
    options = changing(kid=Threshold(maximum=1.0))
    assert judge(placed(0.9), options, earlier=[{"places": {"kid": 0.0}}]).blessed


@pytest.mark.parametrize(
    ("lost", "part"),
    [
        ([], "exceeds"),
        (["maximum"], "to that of noise:"),
        (["maximum", "max_worsening"], "to that of noise:"),
    ],
)
def test_the_first_limit_that_is_missed_is_the_one_that_is_said(lost, part):
    limits = {"maximum": 0.02, "max_place": 0.2, "max_worsening": 0.0}
    kept = {name: limit for name, limit in limits.items() if name not in lost}
    values = placed(0.9, kid_worsening=0.01, kid_margin=0.001) | {"baseline": source(kid=0.01)}
    verdict = judge(values, changing(kid=Threshold(**kept)), earlier=[{"places": {"kid": 0.0}}])
    [reason] = verdict.reasons
    assert part in reason
    assert [check.by for check in verdict.checks if check.name == "kid"] == [*kept, "best"]


def test_a_change_is_said_before_the_best_earlier_model():
    values = placed(0.1, kid_worsening=0.01, kid_margin=0.001) | {"baseline": source(kid=0.01)}
    options = changing(kid=Threshold(max_place=0.2, max_worsening=0.0))
    [reason] = judge(values, options, earlier=[{"places": {"kid": 0.0}}]).reasons
    assert "the baseline's" in reason


def test_a_metric_that_real_images_have_no_value_of_either_is_left_out():
    options = changing(**KID, frechet_distance=Threshold(max_place=0.1, max_worsening=0.0))
    values = placed(0.1, frechet_distance_unavailable=TOO_FEW)
    verdict = judge(values, options)
    assert verdict.blessed
    assert left_out(verdict.checks) == [f"frechet_distance is not judged: {TOO_FEW}"]
    assert not any("frechet_distance" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("error", ["proven_place", "worsening"])
def test_a_metric_without_a_value_names_the_images_that_its_error_needs_as_well(error):
    options = changing(**KID, frechet_distance=Threshold(max_place=0.1, max_worsening=0.0))
    why = "200 images are too few for 128 feature dimensions: at least 285 are needed"
    values = placed(
        0.1,
        frechet_distance_unavailable=TOO_FEW,
        **{f"frechet_distance_{error}_unavailable": why},
    )
    found = left_out(judge(values, options).checks)
    assert found == [f"frechet_distance is not judged: {why}"]


def test_a_metric_that_the_candidate_alone_has_no_value_of_refuses_it():
    options = changing(**KID, coverage=Threshold(max_place=0.1))
    values = placed(0.1, coverage_unavailable="the generated features hold NaN")
    verdict = judge(values, options)
    assert verdict.reasons == ("coverage cannot be computed: the generated features hold NaN",)
    assert missed(verdict.checks).keys() == {"coverage"}
    assert not left_out(verdict.checks)


def test_a_place_that_cannot_be_told_leaves_the_other_limits():
    options = changing(kid=Threshold(maximum=0.02, max_place=0.2))
    values = placed(0.1)
    why = "noise cannot be told from training images"
    values["candidate"] = source(kid=0.01, kid_proven_place_unavailable=why)
    verdict = judge(values, options, earlier=[{"places": {"kid": 0.0}}])
    assert verdict.blessed
    assert verdict.reasons == ("kid 0.01 is at most 0.02",)
    assert left_out(verdict.checks) == [f"kid is judged without max_place: {why}"]
    values["candidate"] = source(kid=0.03, kid_proven_place_unavailable=why)
    verdict = judge(values, options)
    assert verdict.reasons == ("kid 0.03 exceeds 0.02",)


def test_an_error_that_needs_more_images_than_the_value_is_left_out_and_refuses_nothing():
    limit, other = Threshold(max_place=0.1, max_worsening=0.0), Threshold(maximum=0.5)
    why = "234 images are too few for 128 feature dimensions: at least 256 are needed"
    values = placed(0.1)
    values["train"] = source(frechet_distance=0.2)
    values["baseline"] = source(frechet_distance=0.3)
    values["candidate"] = source(
        frechet_distance=0.3,
        frechet_distance_proven_place_unavailable=why,
        frechet_distance_worsening_unavailable=why,
    )
    values["candidate"] = dataclasses.replace(
        values["candidate"], metrics=values["candidate"].metrics | {"kid": MetricResult(0.1)}
    )
    verdict = judge(values, changing(frechet_distance=limit, kid=other))
    assert verdict.blessed
    assert left_out(verdict.checks) == [f"frechet_distance is not judged: {why}"]
    verdict = judge(values, changing(frechet_distance=limit))
    assert not verdict.blessed  # as noise would be
    assert verdict.reasons == (f"no limit could be applied: frechet_distance is not judged: {why}",)
    bounded = limit.model_copy(update={"maximum": 1.0})
    verdict = judge(values, changing(frechet_distance=bounded))
    assert left_out(verdict.checks) == [
        f"frechet_distance is judged without max_place and max_worsening: {why}"
    ]


def test_without_any_limit_that_applies_the_reason_says_so():
    options = EvaluateOptions(limits="none")
    verdict = judge(placed(0.9), options, earlier=[{"places": {"kid": 0.0}}])
    assert verdict.blessed
    assert verdict.reasons == (
        "it does not copy more training images than is allowed, and no other limit applies",
    )


@pytest.mark.parametrize("bless", ["always", "never"])
def test_an_overruled_verdict_keeps_what_was_found(bless):
    options = OPTIONS.model_copy(update={"bless": bless})
    verdict = judge(placed(0.5, precision=0.95), options)
    assert verdict.blessed == (bless == "always")
    assert verdict.reasons[0].endswith("overrides the limits, which the model misses")
    assert verdict.reasons[1:] == (missed(verdict.checks)["kid"],)
    assert len(verdict.warnings) == 1


@pytest.mark.parametrize(
    ("measured", "warned"),
    [
        ({"precision": 0.9, "density": 1.5}, []),
        ({"precision": 0.91, "density": 1.4}, ["precision 0.91 is above that of training images"]),
        ({"precision": 0.7, "density": 1.6}, ["density 1.6 is above that of training images"]),
        ({"precision": None, "density": None}, []),
    ],
)
def test_samples_that_look_better_than_real_images_are_a_warning(measured, warned):
    measured = {name: value for name, value in measured.items() if value is not None}
    verdict = judge(placed(0.1, **measured), OPTIONS)
    assert verdict.blessed
    assert len(verdict.warnings) == len(warned)
    for text, beginning in zip(verdict.warnings, warned, strict=True):
        assert text.startswith(beginning)


def test_results_for_held_out_sources_may_be_nearer_to_real_images_than_others():
    results = placed(0.1, precision=0.95, density=1.6)
    assert len(judge(results, OPTIONS).warnings) == 2
    results["other"] = source(kid=0.2)
    assert not judge(results, OPTIONS).warnings


def kinds(by, *missing, present=("cat",)):
    return Kinds(
        by,
        0.9 if by == "class" else None,
        tuple(
            Kind(name, 50, 50.0, 1.5 if name in missing else 49.0, name in missing, ())
            for name in (*present, *missing)
        ),
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (kinds("class", "dog"), "the class dog is missing: 2 samples, 50 expected"),
        (
            kinds("class", "dog", "hare"),
            "2 classes are missing, dog, hare: 3 samples of them, 100 expected",
        ),
        (
            kinds("cluster", "2", "7"),
            "2 clusters are missing, 2, 7: 3 samples of them, 100 expected",
        ),
    ],
)
def test_kinds_that_are_missing_refuse_a_model(found, said):
    options = EvaluateOptions(thresholds=dict.fromkeys(EvaluateOptions().judged))
    verdict = judge(placed(0.1), options, kinds=found)
    assert not verdict.blessed
    assert verdict.reasons == (said,)
    assert missed(verdict.checks) == {"kinds": said}


@pytest.mark.parametrize(
    "found", [None, Kinds(unavailable="too few images"), kinds("class")], ids=str
)
def test_kinds_that_are_there_or_unknown_refuse_nothing(found):
    assert judge(placed(0.1), OPTIONS, kinds=found).blessed


def test_without_limits_missing_kinds_refuse_nothing():
    assert OPTIONS.limits == "none"
    assert judge(placed(0.1), OPTIONS, kinds=kinds("class", "dog")).blessed
