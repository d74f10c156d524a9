"""KID against its definition, and as an unbiased estimate."""

import sys

import numpy as np
import pytest

from components.metrics.arrays import MetricError
from components.metrics.kid import kid, kid_over_subsets


def naive_kid(x, y):
    d = x.shape[1]

    def kernel(a, b):
        return (float(np.dot(a, b)) / d + 1) ** 3

    within = [
        sum(kernel(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j)
        / (len(a) * (len(a) - 1))
        for a in (x, y)
    ]
    across = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within[0] + within[1] - 2 * across


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (7, 12, 3), (20, 9, 50)])
def test_equals_the_double_loop_of_its_definition(n, m, d):
    rng = np.random.default_rng(n)
    real, generated = rng.standard_normal((n, d)), rng.uniform(size=(m, d))
    assert kid(real, generated) == pytest.approx(naive_kid(real, generated), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("block", [1, 7, 31, 64])
def test_blocks_do_not_change_it(block, monkeypatch):
    rng = np.random.default_rng(0)
    real, generated = rng.standard_normal((50, 6)), rng.standard_normal((31, 6)) + 1
    expected = naive_kid(real, generated)
    monkeypatch.setattr(sys.modules[kid.__module__], "BLOCK", block)
    assert kid(real, generated) == pytest.approx(expected, rel=1e-12)


def test_is_zero_on_average_over_splits_of_one_distribution():
    rng = np.random.default_rng(1)
    values = [kid(*np.split(rng.standard_normal((40, 4)), 2)) for _ in range(2000)]
    standard_error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * standard_error
    assert np.min(values) < 0 < np.max(values)
    assert standard_error < 0.05  # the biased estimate is off by more than ten times this


def test_grows_with_the_distance():
    rng = np.random.default_rng(2)
    real, other = rng.standard_normal((200, 8)), rng.standard_normal((200, 8))
    values = [kid(real, other + shift) for shift in (0, 0.25, 0.5, 1)]
    assert values == sorted(values)


def test_single_precision_is_computed_in_double():
    rng = np.random.default_rng(3)
    real, generated = (100 + rng.standard_normal((2, 60, 5))).astype(np.float32)
    assert kid(real, generated) == kid(real.astype(np.float64), generated.astype(np.float64))


def test_pixels_may_be_bytes():
    rng = np.random.default_rng(8)
    real, generated = rng.integers(0, 256, (2, 30, 5), np.uint8)
    expected = kid(real.astype(np.float64), generated.astype(np.float64))
    assert kid(real, generated) == pytest.approx(expected, rel=1e-6)


def test_over_subsets_is_the_estimate_of_the_rows_of_each():
    rng = np.random.default_rng(4)
    real, generated = rng.standard_normal((40, 6)), rng.standard_normal((30, 6)) + 1
    random = np.random.RandomState(3)
    rows = [[random.choice(n, 20, replace=False) for n in (40, 30)] for _ in range(5)]
    values = [naive_kid(real[i], generated[j]) for i, j in rows]
    found = kid_over_subsets(real, generated, subsets=5, subset_size=20, seed=3)
    assert found == pytest.approx((np.mean(values), np.std(values)), rel=1e-9)


def test_over_subsets_has_the_mean_and_the_spread_of_single_estimates():
    rng = np.random.default_rng(5)
    real, generated = rng.standard_normal((4000, 3)), rng.standard_normal((4000, 3)) + 0.5
    mean, stddev = kid_over_subsets(real, generated, subsets=400, subset_size=50)
    single = [
        kid(rng.standard_normal((50, 3)), rng.standard_normal((50, 3)) + 0.5) for _ in range(400)
    ]
    assert mean == pytest.approx(np.mean(single), abs=4 * np.std(single) / np.sqrt(400))
    assert stddev == pytest.approx(np.std(single), rel=0.2)


def test_the_seed_decides_on_the_subsets():
    rng = np.random.default_rng(6)
    real, generated = rng.standard_normal((60, 3)), rng.standard_normal((70, 3))
    first, again, other = (
        kid_over_subsets(real, generated, subsets=5, subset_size=20, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("subset_size", [1, 51])
def test_rejects_subsets_that_cannot_be_drawn(subset_size):
    features = np.random.default_rng(7).standard_normal((50, 3))
    with pytest.raises(MetricError, match=f"subset_size={subset_size}: must be 2 to 50"):
        kid_over_subsets(features, features, subset_size=subset_size)
