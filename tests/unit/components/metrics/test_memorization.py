"""Memorization reacts to copies and not to new images, even if copies are held out."""

import numpy as np
import pytest

from components.metrics.arrays import MetricError
from components.metrics.memorization import (
    NEAR_QUANTILE,
    Memorization,
    memorization_of,
    spread_of,
)
from components.metrics.neighbors import nearest


def draw(seed, n=1000, d=5):
    return np.random.default_rng(seed).standard_normal((n, d))


TRAIN, HELD_OUT, NEW = draw(0), draw(1), draw(2)


def mix(share, copies):
    """New images, the first of which are replaced."""
    count = round(share * len(NEW))
    return np.concatenate([copies[:count], NEW[count:]])


def memorization(train, held_out, generated):
    distances = (nearest(features, train).distances for features in (held_out, generated))
    return memorization_of(*distances, spread_of(held_out))


def test_new_images_are_as_far_as_held_out_ones():
    found = memorization(TRAIN, HELD_OUT, NEW)
    assert found.distance_ratio == pytest.approx(1, abs=0.05)
    assert found.share == pytest.approx(NEAR_QUANTILE, abs=0.01)


def test_equals_the_loops_of_its_definition():
    train, held_out, generated = draw(3, 30), draw(4, 20), draw(5, 25)

    def loops(points):
        return [min(np.linalg.norm(x - y) for y in train) for x in points]

    limit = np.quantile(loops(held_out), NEAR_QUANTILE)
    expected = Memorization(
        np.median(loops(generated)) / np.median(loops(held_out)),
        np.mean([distance < limit for distance in loops(generated)]),
    )
    assert memorization(train, held_out, generated) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_share_is_that_of_the_copies(share):
    found = memorization(TRAIN, HELD_OUT, mix(share, TRAIN))
    assert found.share == pytest.approx(share, abs=0.02)
    assert (found.distance_ratio == 0) == (share == 1)


def test_near_copies_count_as_well():
    found = memorization(TRAIN, HELD_OUT, mix(0.3, TRAIN + 0.01 * draw(6)))
    assert found.share == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("noise", [0, 1e-6])
@pytest.mark.parametrize("duplicates", [20, 700])
def test_held_out_images_that_are_copies_do_not_blind_it(duplicates, noise):
    held_out = HELD_OUT.copy()
    held_out[:duplicates] = TRAIN[:duplicates] + noise * draw(7)[:duplicates]
    found = memorization(TRAIN, held_out, mix(0.3, TRAIN + 0.01 * draw(6)))
    assert found.share == pytest.approx(0.3, abs=0.03)
    assert memorization(TRAIN, held_out, NEW).share < 0.03


def test_equal_distances_do_not_fire():
    rng = np.random.default_rng(8)
    train = np.unique(rng.integers(0, 2, (200, 12)), axis=0).astype(float)
    others = rng.integers(0, 2, (2000, 12)).astype(float)
    is_new = (others[:, None] != train).any(axis=2).all(axis=1)
    held_out, generated = np.split(others[is_new][:1000], 2)  # nearly all at distance 1
    assert memorization(train, held_out, generated).share == 0
    generated[:50] = train[:50]
    assert memorization(train, held_out, generated).share == 0.1


def test_the_mirrored_share_is_that_of_the_copies_alone():
    held_out, distances = np.arange(100) + 1.0, np.array([0, 0, 0, 0, 50, 50])
    mirrored = np.array([True, False, False, False, True, True])
    found = memorization_of(held_out, distances, 1.0, mirrored)
    assert (found.share, found.mirrored_share) == (pytest.approx(4 / 6), 0.25)
    assert memorization_of(held_out, distances[4:], 1.0, mirrored[4:]).mirrored_share == 0


def test_float32_features_give_the_same():
    arrays = TRAIN, HELD_OUT, mix(0.3, TRAIN)
    single = memorization(*(array.astype(np.float32) for array in arrays))
    assert single == pytest.approx(memorization(*arrays), rel=1e-5)


def test_rejects_held_out_images_that_are_all_copies():
    with pytest.raises(MetricError, match="49 of 50 held-out images are among the training"):
        memorization(TRAIN, np.concatenate([TRAIN[:49], NEW[:1]]), NEW)
