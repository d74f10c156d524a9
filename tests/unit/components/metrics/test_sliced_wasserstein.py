"""The sliced Wasserstein distance against closed forms and SciPy."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from components.metrics.arrays import MetricError
from components.metrics.sliced_wasserstein import sliced_wasserstein


def optimal_transport(x, y):
    """The root of the mean squared cost, in one dimension, of rows repeated to equal numbers."""
    repeated = np.repeat(x, len(y), axis=0), np.repeat(y, len(x), axis=0)
    costs = cdist(*repeated, "sqeuclidean")
    return np.sqrt(costs[linear_sum_assignment(costs)].mean())


@pytest.mark.parametrize(("n", "m"), [(8, 8), (6, 9), (2, 7), (5, 10)])
def test_in_one_dimension_is_optimal_transport(n, m):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, 1)), 2 * rng.standard_normal((m, 1)) + 1
    assert sliced_wasserstein(x, y) == pytest.approx(optimal_transport(x, y), rel=1e-12)


def test_equals_the_loop_over_its_directions():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 5)), rng.uniform(size=(8, 5))
    directions = np.random.RandomState(7).standard_normal((100, 5))
    squares = []
    for direction in directions:
        t = direction / np.linalg.norm(direction)
        squares.append(optimal_transport((x @ t)[:, None], (y @ t)[:, None]) ** 2)
    value = sliced_wasserstein(x, y, projections=100, seed=7)
    assert value == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-10)


def test_of_a_shift_is_its_length_over_the_root_of_the_dimensions():
    x = np.random.default_rng(1).standard_normal((50, 9))
    shift = np.array([3.0, 4.0, *[0] * 7])
    value = sliced_wasserstein(x, x + shift, projections=20_000)
    assert value == pytest.approx(5 / np.sqrt(9), rel=0.02)


def test_does_not_change_with_the_order_of_rows_or_a_common_shift():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((25, 3))
    expected = sliced_wasserstein(x, y)
    assert sliced_wasserstein(rng.permutation(x), y[::-1]) == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein(x + 100, y + 100) == pytest.approx(expected, rel=1e-9)
    assert sliced_wasserstein(y, x) == pytest.approx(expected, rel=1e-12)


def test_repeated_rows_weigh_as_more_of_the_same():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((15, 3))
    expected = sliced_wasserstein(x, y)
    assert sliced_wasserstein(np.repeat(x, 3, axis=0), y) == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein(x, x) == 0


def test_the_seed_decides_on_the_directions():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))
    first, again, other = (sliced_wasserstein(x, y, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first == pytest.approx(other, rel=0.1)


def test_rejects_arrays_of_different_dimensions():
    with pytest.raises(MetricError, match="real features have 3 dimensions, generated ones 4"):
        sliced_wasserstein(np.ones((5, 3)), np.ones((5, 4)))
