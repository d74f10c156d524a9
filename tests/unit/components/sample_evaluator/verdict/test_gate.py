"""The sentences of the gate on bounds, changes, copies and faults of samples."""

import pytest
from measured import parse, source

from components.metrics.kinds import Kinds
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.gate import judge

OPTIONS = EvaluateOptions(
    min_samples=100,
    samples=200,
    limits="none",
    thresholds={"kid": Threshold(maximum=0.02, max_worsening=0.01)},
)


def beside_a_baseline(**candidate):
    return {
        "real": source(),
        "train": source(kid=0.0, coverage=0.9),
        "candidate": source(
            **{"kid": 0.0112, "kid_worsening": 0.0041, "kid_margin": 0.0021, **candidate}
        ),
        "baseline": source(kid=0.005),
    }


def test_a_blessing_states_the_limits_that_are_kept():
    verdict = judge(beside_a_baseline(), OPTIONS)
    assert verdict.blessed
    assert verdict.reasons == (
        "kid 0.0112 is at most 0.02",
        "kid 0.0112 is not worse than the baseline's 0.005 by more than 0.01 plus the spread "
        "over seeds (0.0021)",
    )


def test_failed_thresholds_are_sentences():
    values = beside_a_baseline(kid=0.0312, kid_worsening=0.0141)
    verdict = judge(values, OPTIONS)
    assert not verdict.blessed
    assert verdict.failed == {"kid": "kid 0.0312 exceeds 0.02"}
    assert verdict.reasons == ("kid 0.0312 exceeds 0.02",)
    options = OPTIONS.model_copy(update={"thresholds": {"kid": Threshold(max_worsening=0.01)}})
    verdict = judge(values, options)
    assert not verdict.blessed
    assert verdict.reasons == (
        "kid 0.0312 is worse than the baseline's 0.005 by 0.0162: more than 0.0121, the allowed "
        "0.01 plus the spread over seeds",
    )
    assert verdict.failed == {"kid": verdict.reasons[0]}


def test_a_minimum_that_is_missed_is_a_sentence():
    options = EvaluateOptions(limits="none", thresholds={"recall": Threshold(minimum=0.6)})
    values = {"real": source(), "train": source(), "candidate": source(recall=0.512)}
    verdict = judge(values, options)
    assert verdict.reasons == ("recall 0.512 is below 0.6",)
    values["candidate"] = source(recall=0.7)
    assert judge(values, options).reasons == ("recall 0.7 is at least 0.6",)


def test_copies_of_training_images_are_a_sentence():
    values = beside_a_baseline(memorized_share=0.734)
    verdict = judge(values, OPTIONS)
    assert verdict.reasons == (
        "73.4% of the samples are closer to a training image than held-out images are: "
        "at most 40% allowed",
    )


@pytest.mark.parametrize(("mirrored", "named"), [(0.5, False), (0.6, True)])
def test_the_sentence_on_copies_names_mirrored_ones_if_they_are_most(mirrored, named):
    values = beside_a_baseline(memorized_share=0.62, mirrored_share=mirrored)
    [reason] = judge(values, OPTIONS).reasons
    stated = (
        "62% of the samples are copies of training images, 60% of them mirrored: "
        "at most 40% allowed"
    )
    assert (reason == stated) == named


def test_a_metric_that_cannot_be_computed_is_reported_once():
    values = {
        "real": source(),
        "train": source(kid=0.0),
        "candidate": source(kid_unavailable="NaN in the features"),
        "baseline": source(kid=0.005),
    }
    verdict = judge(values, OPTIONS)
    assert verdict.reasons == ("kid cannot be computed: NaN in the features",)


def test_a_limited_metric_without_a_value_blocks_even_where_only_its_change_is_limited():
    options = EvaluateOptions(limits="none", thresholds={"kid": Threshold(max_worsening=0.0)})
    values = {"real": source(), "train": source(kid=0.0), "candidate": source()}
    verdict = judge(values, options)
    assert verdict.reasons == ("kid cannot be computed: the value is not finite",)


def test_a_baseline_whose_metric_cannot_be_computed_does_not_block():
    values = beside_a_baseline()
    values["candidate"] = source(kid=0.0112, kid_worsening_unavailable="NaN in the features")
    values["baseline"] = source(kid_unavailable="NaN in the features")
    verdict = judge(values, OPTIONS)
    assert verdict.blessed
    assert verdict.reasons == ("kid 0.0112 is at most 0.02",)
    assert not verdict.left_out


def test_a_change_that_is_not_finite_blocks():
    values = beside_a_baseline()
    values["candidate"] = source(kid=0.0112)
    verdict = judge(values, OPTIONS)
    assert verdict.reasons == ("kid cannot be compared with the baseline: the value is not finite",)


def test_a_label_with_too_few_images_does_not_block():
    verdict = judge(beside_a_baseline(), OPTIONS)
    assert verdict.blessed


@pytest.mark.parametrize("bless", ["always", "never"])
@pytest.mark.parametrize("good", [True, False])
def test_the_limits_can_be_overruled_and_the_reasons_say_so(bless, good):
    options = OPTIONS.model_copy(update={"bless": bless})
    values = beside_a_baseline(kid=0.0112 if good else 0.0312)
    verdict = judge(values, options)
    assert verdict.blessed == (bless == "always")
    outcome = "meets" if good else "misses"
    stated = f"evaluate.bless={bless} overrides the limits, which the model {outcome}"
    assert verdict.reasons[0] == stated
    assert verdict.reasons[1].startswith("kid 0.0112" if good else "kid 0.0312 exceeds 0.02")


def test_too_few_held_out_images_block_a_good_model():
    values = {"real": source(images=99), "train": source(), "candidate": source(images=99, kid=0.0)}
    verdict = judge(values, OPTIONS)
    assert not verdict.blessed
    assert verdict.reasons == ("99 held-out images are too few: at least 100 are required",)


def test_too_few_training_images_block_as_well_for_there_is_no_floor():
    values = {"real": source(), "train": source(images=99), "candidate": source(kid=0.0)}
    assert judge(values, OPTIONS).reasons == (
        "99 training images are too few: at least 100 are required: their distances are the floor "
        "of all",
    )


def test_of_too_few_held_out_images_the_training_images_are_not_named_as_well():
    few = source(images=99)
    reasons = judge({"real": few, "train": few, "candidate": few}, OPTIONS).reasons
    assert reasons[0] == "99 held-out images are too few: at least 100 are required"
    assert not any("training images are" in reason for reason in reasons)


def test_one_held_out_image_is_not_said_to_be_several():
    values = {"real": source(images=1), "train": source(), "candidate": source(images=1, kid=0.0)}
    reasons = judge(values, OPTIONS).reasons
    assert reasons == ("1 held-out image is too few: at least 100 are required",)


def test_the_numbers_of_a_refusal_have_the_digits_that_show_the_comparison():
    values = beside_a_baseline(kid=0.0200000001, memorized_share=0.40002)
    verdict = judge(values, OPTIONS)
    kid, memorized = verdict.reasons
    assert kid == "kid 0.0200000001 exceeds 0.02"
    assert memorized.startswith("40.002% of the samples")
    assert memorized.endswith("at most 40% allowed")


def test_a_kept_limit_that_is_nearly_reached_is_not_said_to_be_exceeded():
    verdict = judge(beside_a_baseline(kid=0.01999999), OPTIONS)
    assert verdict.reasons[0] == "kid 0.01999999 is at most 0.02"


@pytest.mark.parametrize(("equal", "warned"), [(0, False), (2, False), (3, True)])
def test_samples_that_are_held_out_images_are_a_warning_that_blocks_nothing(equal, warned):
    verdict = judge(beside_a_baseline(equal=equal), OPTIONS)
    assert verdict.blessed
    warning = f"{equal} of 200 samples equal held-out images pixel by pixel"
    assert [text.startswith(warning) for text in verdict.warnings] == [True] * warned


def test_no_images_at_all_block():
    verdict = judge(dict.fromkeys(("real", "train", "candidate"), parse({})), OPTIONS)
    assert not verdict.blessed
    assert verdict.reasons[0].startswith("0 held-out images are too few")


@pytest.mark.parametrize(
    ("held_out", "trained", "flat", "blessed"),
    [
        (0, 0, 2, True),
        (0, 0, 3, False),
        (4, 0, 10, True),  # by chance
        (4, 0, 13, False),
        (0, 4, 10, True),  # equal images are all on one side
        (0, 0, 200, False),
    ],
)
def test_single_colored_samples_block_when_real_images_have_fewer(held_out, trained, flat, blessed):
    candidate = source(flat=flat, kid=0.0)
    values = {"real": source(flat=held_out), "train": source(flat=trained), "candidate": candidate}
    verdict = judge(values, OPTIONS)
    assert verdict.blessed == blessed
    if not blessed:
        assert f"{flat} of 200 samples are a single color" in verdict.reasons[0]
        assert ("returns NaN" in verdict.reasons[0]) == (flat == 200)
        counts = f"(held-out images: {held_out}" + (
            f", training images: {trained})" * bool(trained)
        )
        assert counts in verdict.reasons[0]


@pytest.mark.parametrize(
    ("followed", "limits", "blessed"),
    [(None, "default", True), (0.3, "default", True), (0.1, "default", False), (0, "none", True)],
)
def test_a_model_that_ignores_its_labels_is_blocked(followed, limits, blessed):
    values = {"real": source(), "train": source(), "candidate": source(kid=0.0)}
    options = OPTIONS.model_copy(update={"limits": limits})
    verdict = judge(values, options, kinds=Kinds("class", 0.9, followed=followed))
    assert verdict.blessed == blessed
    if not blessed:
        assert verdict.reasons == (
            "the model ignores its labels: a classifier finds the class that was asked for 10% as "
            "far above chance as for held-out images; at least 25% are required",
        )


def test_labels_are_ignored_only_where_that_is_more_than_the_error():
    values = {"real": source(), "train": source(), "candidate": source(kid=0.0)}
    kinds = Kinds("class", 0.9, followed=0.1, followed_error=0.1)
    assert judge(values, OPTIONS, kinds=kinds).blessed


def test_samples_that_are_all_the_same_block():
    values = {"real": source(), "train": source(), "candidate": source(distinct=1, kid=0.0)}
    verdict = judge(values, OPTIONS)
    assert verdict.reasons == ("all 200 samples are the same image",)


@pytest.mark.parametrize(
    ("given", "blessed"),
    [
        ({}, False),
        ({"source": source(distinct=140)}, True),
        ({"source": source(distinct=140), "mean_answer": source(images=0)}, True),
        ({"source": source(distinct=140), "mean_answer": source()}, False),
        ({"source": source(distinct=190)}, False),
    ],
    ids=["no sources", "equal sources", "one answer", "several answers to each", "other sources"],
)
def test_equal_results_are_expected_of_equal_sources_alone(given, blessed):
    candidate = source(distinct=140, kid=0.0)
    values = {"real": source(), "train": source(), "candidate": candidate, **given}
    verdict = judge(values, OPTIONS)
    assert verdict.blessed == blessed
    assert blessed or "60 of 200 samples repeat others" in verdict.reasons[0]


def test_of_unpaired_sources_enough_must_be_held_out_as_well():
    few = source(images=5)
    values = {"real": few, "train": source(), "candidate": few, "source": few}
    (reason,) = judge(values, OPTIONS).reasons
    assert reason.endswith("are required, of images and of sources")


@pytest.mark.parametrize("bless", ["auto", "always"])
def test_a_candidate_that_cannot_be_sampled_is_never_blessed(bless):
    options = OPTIONS.model_copy(update={"bless": bless})
    values = {"real": source(), "train": source(), "candidate": source(images=0)}
    verdict = judge(values, options, candidate_problem="it is damaged")
    assert not verdict.blessed
    assert verdict.reasons == ("the candidate cannot be sampled: it is damaged",)


@pytest.mark.parametrize(
    ("psnr", "other", "limits", "ignored"),
    [
        (8.31, 8.21, "default", True),
        (5.0, 8.21, "loose", True),
        (8.71, 8.2, "default", False),
        (5.0, 8.21, "none", False),
        (5.0, None, "default", False),
    ],
)
def test_results_that_could_be_those_of_any_source_are_refused(psnr, other, limits, ignored):
    values = {"real": source(), "train": source(), "candidate": source(psnr=100.0)}
    values["answer"] = source(psnr=psnr)  # to the sources of which there are others
    if other is not None:
        values["other"] = source(psnr=other)
    thresholds = dict.fromkeys(EvaluateOptions().judged)
    verdict = judge(values, EvaluateOptions(limits=limits, thresholds=thresholds))
    assert verdict.blessed != ignored
    if ignored:
        assert verdict.failed == {"psnr": verdict.reasons[0]}
        assert verdict.reasons[0].endswith("8.21: the model ignores its sources")
