"""MMD with a Gaussian kernel against its definition and a closed form."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from components.metrics.arrays import MetricError
from components.metrics.mmd_rbf import mmd_rbf


def naive_mmd(x, y, bandwidth):
    def kernel(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * bandwidth**2))

    within = [
        np.mean([kernel(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j])
        for a in (x, y)
    ]
    return sum(within) - 2 * np.mean([kernel(a, b) for a in x for b in y])


@pytest.mark.parametrize(("n", "m", "d"), [(3, 2, 1), (7, 12, 3), (20, 9, 50)])
def test_equals_its_definition_with_the_median_distance_of_real_rows(n, m, d):
    rng = np.random.default_rng(n)
    real, generated = rng.standard_normal((n, d)), rng.uniform(size=(m, d))
    expected = naive_mmd(real, generated, np.median(pdist(real)))
    assert mmd_rbf(real, generated) == pytest.approx(expected, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("block", [1, 7, 31, 64])
def test_blocks_do_not_change_it(block):
    rng = np.random.default_rng(0)
    real, generated = rng.standard_normal((50, 6)), rng.standard_normal((31, 6)) + 1
    assert mmd_rbf(real, generated, block) == pytest.approx(mmd_rbf(real, generated), rel=1e-12)


def test_reaches_the_closed_form_for_two_gaussians():
    rng = np.random.default_rng(1)
    real, generated = rng.standard_normal((2000, 2)), rng.standard_normal((2000, 2)) + 1
    s2 = np.median(pdist(real)) ** 2
    # E k(x, y) for x - y normal with covariance 2 I and mean v
    expected = 2 * (s2 / (s2 + 2)) * (1 - np.exp(-2 / (2 * (s2 + 2))))
    assert mmd_rbf(real, generated) == pytest.approx(expected, rel=0.05)


def test_is_zero_on_average_over_splits_of_one_distribution():
    rng = np.random.default_rng(2)
    values = [mmd_rbf(*np.split(rng.standard_normal((40, 4)), 2)) for _ in range(1000)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert np.min(values) < 0 < np.max(values)


def test_does_not_change_when_everything_is_moved_or_scaled():
    rng = np.random.default_rng(3)
    real, generated = rng.standard_normal((50, 4)), rng.standard_normal((60, 4)) + 0.5
    expected = mmd_rbf(real, generated)
    assert mmd_rbf(real + 1e4, generated + 1e4) == pytest.approx(expected, rel=1e-9)
    assert mmd_rbf(1e-3 * real, 1e-3 * generated) == pytest.approx(expected, rel=1e-9)


def test_a_bandwidth_of_its_own_does_not_hide_a_bad_model():
    rng = np.random.default_rng(4)
    real = rng.standard_normal((100, 4))
    values = [mmd_rbf(real, rng.standard_normal((100, 4)) + shift) for shift in (0, 1, 10, 1000)]
    assert values == sorted(values)
    assert values[-1] > 0.3


def test_rejects_real_features_without_a_spread():
    real = np.full((50, 3), 0.1)
    real[:5] = np.random.default_rng(5).standard_normal((5, 3))
    with pytest.raises(MetricError, match="median distance is zero"):
        mmd_rbf(real, real)
