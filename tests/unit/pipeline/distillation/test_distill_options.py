import pytest
from pydantic import ValidationError

from components.sample_evaluator.options import EvaluateOptions
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.distillation.options import DistillOptions

DEFAULT = {"kid": 0.0, "frechet_distance": 0.0, "coverage": 0.0}


def worsening(options):
    """By metric, how much worse than its baseline a model may be."""
    found = {name: limit.max_worsening for name, limit in options.judged.items()}
    return {name: value for name, value in found.items() if value is not None}


def places(options):
    found = {name: limit.max_place for name, limit in options.judged.items()}
    return {name: value for name, value in found.items() if value is not None}


def test_a_student_is_judged_by_the_limits_of_its_teacher():
    evaluate = EvaluateOptions(thresholds={"kid": {"max_worsening": 0.1, "maximum": 0.2}})
    assert DistillOptions().judging(evaluate) == evaluate


def test_what_a_student_may_be_worse_by_replaces_that_of_its_teacher_alone():
    evaluate = EvaluateOptions(thresholds={"kid": {"max_worsening": 0.1, "maximum": 0.2}})
    judged = DistillOptions(max_worsening={"kid": 0.3, "color_distance": 0.4}).judging(evaluate)
    assert worsening(judged) == DEFAULT | {"kid": 0.3, "color_distance": 0.4}
    assert places(judged) == places(evaluate)
    assert judged.judged["kid"].maximum == 0.2
    assert EvaluateOptions.model_validate_json(judged.model_dump_json()) == judged


def test_a_dropped_metric_limits_the_worsening_alone_if_that_is_set():
    evaluate = EvaluateOptions(thresholds={"kid": None})
    judged = DistillOptions(max_worsening={"kid": 0.3}).judging(evaluate)
    assert worsening(judged) == DEFAULT | {"kid": 0.3}
    assert places(judged) == places(evaluate)
    stored = EvaluateOptions.model_validate_json(judged.model_dump_json())
    assert places(stored) == places(evaluate)


@pytest.mark.parametrize(
    "given",
    [
        {"limits": "none"},
        {"limits": "none", "thresholds": {"kid": {"maximum": 0.5}}},
        {"thresholds": dict.fromkeys(DEFAULT)},
    ],
)
def test_without_any_such_limit_a_student_is_still_compared_with_its_teacher(given):
    evaluate = EvaluateOptions(**given)
    assert worsening(evaluate) == {}
    judged = DistillOptions().judging(evaluate)
    assert worsening(judged) == DEFAULT
    assert places(judged) == places(evaluate)


@pytest.mark.parametrize(
    ("teacher", "student"), [("auto", "auto"), ("always", "auto"), ("never", "never")]
)
def test_no_student_is_blessed_without_a_comparison(teacher, student):
    evaluate = EvaluateOptions(bless=teacher)
    assert DistillOptions().judging(evaluate).bless == student


@pytest.mark.parametrize(
    "given",
    [{"kidd": 0.1}, {"kid": -0.1}, {"kid": "much"}, {"psnr": 1.0}, {"psnr@holdout": 1.0}],
)
def test_other_metrics_and_numbers_are_refused(given):
    with pytest.raises(ValidationError, match=f"max_worsening.{next(iter(given))}"):
        DistillOptions(max_worsening=given)


@pytest.mark.parametrize(
    ("given", "of_teacher", "steps"), [(None, 1000, 200), (None, 6, 2), (7, 9, 7)]
)
def test_a_student_takes_a_fifth_of_the_steps_of_its_teacher_or_those_that_are_set(
    given, of_teacher, steps
):
    assert DistillOptions(steps=given).steps_for(of_teacher) == steps


def test_fewer_steps_than_an_update_takes_are_a_configuration_error():
    overrides = ["distill.enabled=true", "train.accumulate=16", "distill.steps=8"]
    with pytest.raises(ConfigError, match=r"distill\.steps: 8 after .* than train\.accumulate=16"):
        load("digits", overrides=overrides)


def test_a_metric_of_held_out_images_needs_their_folder():
    with pytest.raises(ConfigError, match=r"max_worsening: a metric @holdout needs data\.holdout"):
        load("digits", overrides=["distill.max_worsening={kid@holdout: 0.1}"])
