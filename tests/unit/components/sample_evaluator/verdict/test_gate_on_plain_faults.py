"""The reasons that models with plain faults are refused for, by limits that are set."""

import numpy as np
import pytest
from planted_models import BASELINE_NOISE, noisy

from benchmarks.gate.verdicts import describe_noise, describe_pixels, judge
from components.features.options import FeatureOptions
from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions, Threshold

HELD_OUT = 150  # images
SPACE = FeatureOptions(name="pixels")


@pytest.fixture(scope="module")
def real(digits):
    """The features of real images and of noise, by source."""
    return {
        sources.REAL: describe_pixels(SPACE, digits[:HELD_OUT]),
        sources.TRAIN: describe_pixels(SPACE, digits[HELD_OUT:500]),
        sources.NOISE: describe_noise(SPACE, HELD_OUT, digits.shape[1:]),
    }


@pytest.fixture(scope="module")
def others(digits):
    """Images that are not among the real ones, as from a perfect model."""
    return digits[600 : 600 + HELD_OUT]


def limited(**thresholds):
    return EvaluateOptions(samples=HELD_OUT, limits="none", features=SPACE, thresholds=thresholds)


def test_constant_images_are_refused_even_within_the_thresholds(real):
    black = describe_pixels(SPACE, np.zeros((HELD_OUT, 8, 8, 1), np.uint8))
    verdict = judge(real | {sources.CANDIDATE: black}, limited(kid=Threshold(maximum=100))).verdict
    assert not verdict.blessed
    assert verdict.reasons[:2] == (
        f"all {HELD_OUT} samples are the same image",
        f"{HELD_OUT} of {HELD_OUT} samples are a single color (held-out images: 0), "
        "as from a network that returns NaN",
    )


def test_a_better_baseline_blocks_a_worse_model(real, others):
    shown = {
        sources.CANDIDATE: describe_pixels(SPACE, noisy(others, 3 * BASELINE_NOISE)),
        sources.BASELINE: describe_pixels(SPACE, others),
    }
    judged = judge(real | shown, limited(kid=Threshold(maximum=1, max_worsening=0.0)))
    kid, best = (judged.results[source].metrics["kid"] for source in shown)
    assert kid.value - best.value - kid.margin == pytest.approx(kid.worsening)
    assert kid.worsening > 0
    assert judged.verdict.reasons == (
        f"kid {kid.value:.4g} is worse than the baseline's {best.value:.4g} by "
        f"{kid.worsening + kid.margin:.4g}: more than {kid.margin:.4g}, the allowed 0 plus the "
        "spread over seeds",
    )


def test_a_collapsed_model_is_refused(real, others):
    few = describe_pixels(SPACE, others[np.arange(HELD_OUT) % 5])
    options = limited(coverage=Threshold(max_place=0.5))
    repeated, reason = judge(real | {sources.CANDIDATE: few}, options).verdict.reasons
    assert repeated.endswith("samples repeat others pixel by pixel: only 5 are different")
    assert reason.startswith("coverage ")
    assert "% of the way from that of training images" in reason
