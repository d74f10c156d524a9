"""A model that is a little worse each night is stopped; one that stays as good is not."""

import numpy as np
import pytest
from described_once import DescribedOnce
from planted_models import BASELINE_NOISE, HELD_OUT, TRAINING, noisy, read_digits, split

from benchmarks.gate.verdicts import describe_noise, judge, places
from components.features.options import FeatureOptions
from components.sample_evaluator import sources
from components.sample_evaluator.options import DEFAULTS, EvaluateOptions, Threshold

NIGHTS, STEP = 15, 4  # gray levels of noise that a night adds
SPACE = FeatureOptions(name="pixels")
DEFAULT = EvaluateOptions(features=SPACE)
# The place of KID alone, so that nothing but the best earlier model stops a candidate.
ANCHORED = DEFAULT.model_copy(
    update={
        "thresholds": dict.fromkeys(DEFAULTS) | {"kid": Threshold(max_place=1, max_worsening=None)}
    }
)
BEST = "best earlier model"

describe = DescribedOnce()


class Nights:
    """Nightly candidates, each compared with the latest blessed model and the best earlier one."""

    def __init__(self, options, anchored=True):
        """`anchored`: whether the best earlier model is known to the gate."""
        self._options, self._anchored = options, anchored
        training, real, self._others = split(
            read_digits(), TRAINING, HELD_OUT, 1797 - TRAINING - HELD_OUT
        )
        self._stock = {
            sources.TRAIN: describe(SPACE, training.pixels),
            sources.REAL: describe(SPACE, real.pixels),
            sources.NOISE: describe_noise(SPACE, HELD_OUT, real.pixels.shape[1:]),
        }
        self._earlier = []

    def judge(self, night, stddev):
        """The verdict on new images with noise; a blessed model is the next baseline."""
        chosen = np.random.default_rng(night).permutation(len(self._others.pixels))[:HELD_OUT]
        images = describe(SPACE, noisy(self._others.pixels[chosen], stddev, seed=night))
        earlier = self._earlier if self._anchored else []
        judged = judge(self._stock | {sources.CANDIDATE: images}, self._options, earlier)
        if judged.verdict.blessed:
            self._stock[sources.BASELINE] = images
            self._earlier.append(places(judged.results[sources.CANDIDATE]))
        return judged.verdict


def judge_all(nights, levels):
    return [nights.judge(night, level) for night, level in enumerate(levels)]


FALLING = [BASELINE_NOISE + STEP * night for night in range(NIGHTS)]


@pytest.mark.slow
def test_candidates_each_a_little_worse_than_the_last_are_stopped():
    verdicts = judge_all(Nights(DEFAULT), FALLING)
    assert verdicts[0].blessed
    blessed = [level for level, found in zip(FALLING, verdicts, strict=True) if found.blessed]
    assert max(blessed) < FALLING[NIGHTS // 2]
    assert not any(found.blessed for found in verdicts[NIGHTS // 2 :])


@pytest.mark.slow
def test_models_are_compared_with_the_best_earlier_one_beside_the_limit():
    limits = {"kid": Threshold(max_place=0.1, max_worsening=None)}
    options = ANCHORED.model_copy(update={"thresholds": ANCHORED.thresholds | limits})
    levels = FALLING[::3]
    anchored = judge_all(Nights(options), levels)
    free = judge_all(Nights(options, anchored=False), levels)
    assert anchored[0].blessed
    assert any(BEST in reason for found in anchored for reason in found.reasons)
    assert not any(BEST in reason for found in free for reason in found.reasons)
    assert sum(found.blessed for found in anchored) <= sum(found.blessed for found in free)


@pytest.mark.parametrize(
    ("options", "nights"),
    [(ANCHORED, 8), pytest.param(DEFAULT, NIGHTS, marks=pytest.mark.slow)],
    ids=["kid", "defaults"],
)
def test_equal_candidates_are_not_stopped_by_the_best_of_them(options, nights):
    verdicts = judge_all(Nights(options), [BASELINE_NOISE] * nights)
    assert not any(BEST in reason for found in verdicts for reason in found.reasons)
    # One in a hundred comparisons with the last model is wrong, in three metrics.
    assert sum(found.blessed for found in verdicts) >= nights - 3
