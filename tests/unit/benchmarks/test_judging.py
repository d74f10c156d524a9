"""Samples are judged by what they add to the distance of training images."""

import numpy as np
import pytest

from benchmarks.judging import Judge

SHAPE = (8, 8, 3)
KID, FRECHET = "kid, pixels", "frechet_distance, pixels"


def noise(count, seed, mean=128):
    values = np.random.default_rng(seed).normal(mean, 30, (count, *SHAPE))
    return values.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def judge():
    return Judge(noise(400, 0), noise(300, 1), count=350)


def test_images_of_the_same_source_are_at_the_floor(judge):
    above = judge.above_floor(noise(350, 2))
    assert abs(above[KID]) < 0.001
    assert abs(above[FRECHET]) < 0.1 * judge.floor[FRECHET]


def test_training_images_are_exactly_at_the_floor():
    train = noise(300, 0)
    judge = Judge(train, noise(300, 1), count=300)
    above = judge.above_floor(train)
    assert above[KID] == pytest.approx(0, abs=1e-6)
    assert above[FRECHET] == pytest.approx(0, abs=1e-3)


def test_other_images_are_further_away_the_more_they_differ(judge):
    near, far = (judge.above_floor(noise(350, 2, mean)) for mean in (118, 98))
    assert 0 < near[KID] < far[KID]
    assert 0 < near[FRECHET] < far[FRECHET]


def test_few_held_out_images_are_compared_in_fewer_dimensions():
    judge = Judge(noise(40, 0), noise(30, 1), count=40)
    assert np.isfinite(judge.floor[FRECHET])
