"""Options of SampleEvaluator are rejected if they cannot work."""

import pydantic
import pytest

from components.sample_evaluator.options import EvaluateOptions, Threshold


def test_the_defaults_survive_json():
    options = EvaluateOptions()
    assert EvaluateOptions.model_validate_json(options.model_dump_json()) == options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"thresholds": {"fid": {"maximum": 1}}}, "'kid', 'frechet_distance'"),
        ({"thresholds": {}}, "at least 1 item"),
        ({"thresholds": {"kid": {}}}, "sets no limit"),
        ({"thresholds": {"kid": {"maximum": float("nan")}}}, "finite number"),
        ({"features": "inception"}, "pixels"),
        ({"samples": 50, "min_samples": 100}, "samples=50 must be at least min_samples=100"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        EvaluateOptions.model_validate(values)


def test_one_limit_is_enough():
    assert Threshold(max_worsening=0.1).maximum is None
