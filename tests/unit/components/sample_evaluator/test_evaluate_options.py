"""Options of SampleEvaluator are rejected if they cannot work."""

import json

import numpy as np
import pydantic
import pytest

from components.metrics import CATALOG, MAX_DIMENSION, METRICS, MIN_IMAGES
from components.metrics.arrays import MetricError
from components.metrics.jackknife import worsening
from components.sample_evaluator.options import (
    DEFAULTS,
    LIMITS,
    MAX_PLACE,
    EvaluateOptions,
    Threshold,
    judged_names,
)


def test_the_defaults_survive_json():
    found = EvaluateOptions()
    assert EvaluateOptions.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"thresholds": {"fid": {"maximum": 1}}}, "'kid', 'frechet_distance'"),
        ({"thresholds": {"kid": {}}}, "sets no limit"),
        ({"thresholds": {"kid": {"maximum": float("nan")}}}, "finite number"),
        ({"features": "inception"}, "pixels"),
        ({"samples": 50, "min_samples": 100}, "samples=50 must be at least min_samples=100"),
        ({"min_samples": 19}, "greater than or equal to 20"),
        ({"limits": "lax"}, "'strict', 'default', 'loose' or 'none'"),
        ({"thresholds": {"kid": {"max_place": 1.1}}}, "less than or equal to 1"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        EvaluateOptions.model_validate(values)


def test_one_limit_is_enough():
    assert Threshold(max_worsening=0.1).maximum is None


def judged(**values):
    return EvaluateOptions.model_validate(values).judged


def test_without_settings_the_defaults_are_judged():
    assert judged() == DEFAULTS


@pytest.mark.parametrize("limits", ["strict", "loose"])
def test_limits_scale_every_default_place_and_nothing_else(limits):
    for name, found in judged(limits=limits).items():
        default = DEFAULTS[name]
        expected = min(default.max_place * LIMITS[limits], MAX_PLACE)
        assert found == default.model_copy(update={"max_place": expected})
    assert LIMITS["strict"] < LIMITS["default"] == 1 < LIMITS["loose"]


@pytest.mark.parametrize("limits", ["strict", "default", "loose"])
def test_a_configured_limit_is_laid_over_the_default_as_it_is(limits):
    found = judged(limits=limits, thresholds={"kid": {"maximum": 0.02, "max_worsening": 0.1}})
    kept = judged(limits=limits)["kid"].max_place
    assert found["kid"] == Threshold(maximum=0.02, max_place=kept, max_worsening=0.1)
    assert judged(limits=limits, thresholds={"kid": {"max_place": 0.3}})["kid"].max_place == 0.3


def test_one_limit_of_a_default_can_be_removed():
    kid = judged(thresholds={"kid": {"max_place": None}})["kid"]
    assert kid == DEFAULTS["kid"].model_copy(update={"max_place": None})
    assert DEFAULTS["kid"].max_place is not None


def test_null_drops_a_metric():
    assert judged(thresholds={"kid": None}).keys() == DEFAULTS.keys() - {"kid"}
    assert judged(limits="none", thresholds={"kid": None, "recall": None}) == {}


def test_without_limits_only_configured_thresholds_are_judged():
    assert judged(limits="none") == {}
    kid = {"kid": Threshold(max_place=0.1)}
    assert judged(limits="none", thresholds=kid) == kid


def test_other_metrics_are_judged_beside_the_defaults():
    recall = Threshold(minimum=0.5)
    assert judged(thresholds={"recall": recall}) == {**DEFAULTS, "recall": recall}


def test_without_a_held_out_folder_its_metrics_are_not_judged():
    given = EvaluateOptions(
        thresholds={"kid@holdout": Threshold(maximum=1.0), "coverage@holdout": None, "recall": None}
    )
    assert given.without_holdout().thresholds == {"recall": None}
    assert given.without_holdout().judged == DEFAULTS


def test_a_model_that_does_not_translate_is_not_judged_by_pairs():
    limit = Threshold(minimum=20.0)
    given = EvaluateOptions(thresholds={"psnr": limit, "psnr@holdout": limit, "recall": None})
    assert given.judged["psnr"].minimum == given.judged["psnr@holdout"].minimum == 20
    assert given.without_pairs().thresholds == {"recall": None}
    assert given.without_pairs().judged == DEFAULTS


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"limits": "strict"},
        {"limits": "none", "thresholds": {"recall": {"minimum": 0.1}}},
        {"thresholds": {"kid": None, "recall": {"minimum": 0.1}, "coverage": {"minimum": 0.1}}},
    ],
)
def test_the_judged_names_are_read_back_from_stored_options(values):
    found = EvaluateOptions.model_validate(values)
    assert set(judged_names(json.loads(found.model_dump_json()))) == found.judged.keys()


@pytest.mark.parametrize("name", CATALOG)
def test_so_many_images_are_enough_for_a_metric_and_its_error_and_one_less_is_not(name):
    dimension = 11
    count = METRICS[name].images_needed(dimension)
    rows = 5 + np.random.default_rng(0).standard_normal((3, count, dimension))
    found = worsening(CATALOG[name], *rows)
    assert np.isfinite(found).all()
    with pytest.raises(MetricError, match="too few"):
        worsening(CATALOG[name], *rows[:, 1:])


def test_images_needed_without_a_known_dimension_are_those_of_any_verdict():
    assert METRICS["frechet_distance"].images_needed(None) == MIN_IMAGES
    assert METRICS["kid"].images_needed(9999) == MIN_IMAGES


def test_beyond_the_largest_dimension_no_number_of_images_is_enough():
    needed = METRICS["frechet_distance"].images_needed
    assert needed(MAX_DIMENSION) == 9103
    assert needed(MAX_DIMENSION + 1) is None


def test_options_that_pass_through_json_keep_the_defaults_that_were_not_set():
    options = EvaluateOptions(
        thresholds={"kid": {"maximum": 0.02}, "coverage": {"max_place": None}, "recall": None}
    )
    read = EvaluateOptions.model_validate_json(options.model_dump_json())
    assert read.judged == options.judged
    assert read.judged["kid"].max_place is not None
    assert read.judged["coverage"].max_place is None
