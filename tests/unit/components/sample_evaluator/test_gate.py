"""The sentences of the gate, and what it blocks beyond the thresholds."""

import pytest
from tensorflow_model_analysis.proto import validation_result_pb2

from components.sample_evaluator.gate import judge
from components.sample_evaluator.options import EvaluateOptions, Threshold

OPTIONS = EvaluateOptions(
    samples=200, thresholds={"kid": Threshold(maximum=0.02, max_increase=0.01)}
)


def source(images=200, flat=0, distinct=None, **metrics):
    return {
        "images": images,
        "flat_images": flat,
        "distinct_images": images if distinct is None else distinct,
        **metrics,
    }


def passing():
    return validation_result_pb2.ValidationResult(validation_ok=True)


def failing(*metrics):
    """A validation that the candidate fails in metrics (name, is_diff)."""
    validation = validation_result_pb2.ValidationResult(validation_ok=False)
    found = validation.metric_validations_per_slice.add()
    for name, is_diff in metrics:
        key = found.failures.add().metric_key
        key.name, key.model_name, key.is_diff = name, "candidate", is_diff
    return validation


def test_a_blessing_states_the_limits_that_are_kept():
    values = {"real": source(), "candidate": source(kid=0.0112), "baseline": source(kid=0.005)}
    verdict = judge(values, passing(), OPTIONS)
    assert verdict.blessed
    assert verdict.reasons == (
        "kid 0.0112 is at most 0.02",
        "kid 0.0112 is at most 0.01 above the baseline's 0.005",
    )


def test_failed_thresholds_are_sentences():
    values = {"real": source(), "candidate": source(kid=0.0312), "baseline": source(kid=0.015)}
    verdict = judge(values, failing(("kid", False), ("kid", True)), OPTIONS)
    assert not verdict.blessed
    assert verdict.failed == {"kid"}
    assert verdict.reasons == (
        "kid 0.0312 exceeds 0.02",
        "kid 0.0312 exceeds the baseline's 0.015 by more than 0.01",
    )


def test_a_metric_that_cannot_be_computed_is_told_once():
    values = {"real": source(), "candidate": source(kid_unavailable="NaN in the features")}
    verdict = judge(values, failing(("kid", False), ("kid", True)), OPTIONS)
    assert verdict.reasons == ("kid cannot be computed: NaN in the features",)


def test_too_few_held_out_images_block_a_good_model():
    values = {"real": source(images=99), "candidate": source(images=99, kid=0.0)}
    verdict = judge(values, passing(), OPTIONS)
    assert not verdict.blessed
    assert verdict.reasons == (
        "99 held-out images are too few to judge by: at least 100 are needed",
    )


def test_no_images_at_all_block():
    verdict = judge({"real": {}, "candidate": {}}, failing(), OPTIONS)
    assert not verdict.blessed
    assert verdict.reasons[0].startswith("0 held-out images are too few")


@pytest.mark.parametrize(("flat", "blessed"), [(0, True), (6, True), (7, False), (200, False)])
def test_single_colored_samples_block_when_held_out_images_have_fewer(flat, blessed):
    values = {"real": source(flat=4), "candidate": source(flat=flat, kid=0.0)}
    verdict = judge(values, passing(), OPTIONS)
    assert verdict.blessed == blessed
    assert blessed or f"{flat} of 200 samples are a single color" in verdict.reasons[0]


def test_samples_that_are_all_the_same_block():
    values = {"real": source(), "candidate": source(distinct=1, kid=0.0)}
    verdict = judge(values, passing(), OPTIONS)
    assert verdict.reasons == ("all 200 samples are the same image",)


def test_a_candidate_that_cannot_be_sampled_has_that_one_reason():
    values = {"real": source(), "candidate": source(images=0, kid_unavailable="no images")}
    verdict = judge(values, failing(("kid", False)), OPTIONS, candidate_problem="it is damaged")
    assert not verdict.blessed
    assert verdict.reasons == ("the candidate cannot be sampled: it is damaged",)


def test_a_validation_that_fails_without_a_reason_still_blocks():
    values = {"real": source(), "candidate": source(kid=0.0)}
    assert not judge(values, failing(), OPTIONS).blessed
