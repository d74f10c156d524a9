"""A gap among samples is found where it is, and nowhere else."""

import numpy as np
import pytest

from components.metrics.gaps import MAX_LEFT, find_gaps
from components.metrics.kinds import MIN_EXPECTED

CENTERS = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [6.0, 6.0]])


def draw(shares, count=400, seed=0):
    """Points of four groups, and the group of each."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(len(CENTERS), count, p=np.array(shares) / np.sum(shares))
    return CENTERS[groups] + rng.standard_normal((count, 2)), groups


@pytest.fixture(scope="module")
def known():
    (train, groups), (real, _) = draw([1, 1, 1, 1], 1000), draw([1, 1, 1, 1], seed=1)
    return train, groups, real


@pytest.mark.parametrize("left", [0, 0.09])
def test_a_group_that_is_left_out_is_a_gap(known, left):
    train, groups, real = known
    gap, *_ = find_gaps(train, real, draw([1, 1, left, 1], seed=2)[0])
    assert (groups[gap.members] == 2).mean() > 0.9
    assert gap.found < 0.2 * gap.expected
    assert gap.expected == pytest.approx(len(gap.members) * 400 / 1000, rel=0.2)


def test_gaps_are_disjoint_and_each_is_far_below_what_is_expected(known):
    train, groups, real = known
    gaps = find_gaps(train, real, draw([1, 0, 0, 1], seed=2)[0])
    members = np.concatenate([gap.members for gap in gaps])
    assert set(groups[[gap.members[0] for gap in gaps]]) == {1, 2}
    assert all(gap.expected >= MIN_EXPECTED for gap in gaps)
    assert all(gap.found < MAX_LEFT * gap.expected for gap in gaps)
    assert len(members) == len(set(members)) > 400


@pytest.mark.parametrize("seed", range(20))
def test_good_samples_have_no_gap(known, seed):
    train, _, real = known
    assert find_gaps(train, real, draw([1, 1, 1, 1], seed=3 + seed)[0]) == []


def test_samples_with_more_spread_or_fewer_of_a_group_have_none(known):
    train, _, real = known
    samples, _ = draw([1, 1, 0.7, 1], seed=2)
    wider = samples + 0.3 * np.random.default_rng(0).standard_normal(samples.shape)
    assert find_gaps(train, real, wider) == []


@pytest.mark.parametrize("counts", [(100, 100, 2000), (100, 2000, 100), (2000, 100, 100)])
def test_the_numbers_of_images_may_differ(counts):
    train, real, samples = (draw([1, 1, 1, 1], n, seed=i)[0] for i, n in enumerate(counts))
    assert find_gaps(train, real, samples) == []
    one = draw([1, 0, 0, 0], counts[2], seed=5)[0]
    assert find_gaps(train, real, one)
