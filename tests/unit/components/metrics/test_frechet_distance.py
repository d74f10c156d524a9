"""The Frechet distance against closed forms and SciPy's general matrix square root."""

import numpy as np
import pytest
import scipy.linalg

from components.metrics.arrays import MetricError
from components.metrics.frechet_distance import MAX_DIMENSION, frechet_distance


def by_sqrtm(real, generated):
    a, b = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    difference = real.mean(0) - generated.mean(0)
    return difference @ difference + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)


@pytest.mark.parametrize("d", [2, 5, 30])
def test_equals_the_formula_with_scipys_sqrtm(d):
    rng = np.random.default_rng(d)
    real = rng.standard_normal((200, d)) @ rng.standard_normal((d, d))
    generated = rng.standard_normal((150, d)) @ rng.standard_normal((d, d)) + 1
    assert frechet_distance(real, generated) == pytest.approx(by_sqrtm(real, generated), rel=1e-9)


def test_of_a_shift_is_its_square():
    real = np.random.default_rng(0).standard_normal((100, 4))
    assert frechet_distance(real, real + np.array([3, 0, 4, 0])) == pytest.approx(25, rel=1e-9)


def test_of_a_scaling_is_that_of_the_standard_deviations():
    real = np.random.default_rng(1).standard_normal((100, 4))
    real -= real.mean(axis=0)
    variance = np.trace(np.cov(real, rowvar=False))
    assert frechet_distance(real, 3 * real) == pytest.approx((3 - 1) ** 2 * variance, rel=1e-9)


def test_in_one_dimension_compares_mean_and_deviation():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 1)), 2 * rng.standard_normal((60, 1)) + 1
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_of_equal_arrays_is_zero_even_when_a_dimension_is_constant():
    real = np.random.default_rng(3).standard_normal((100, 6))
    real[:, 2] = 5
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)


def test_is_symmetric():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((80, 5)), rng.uniform(size=(90, 5))
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)


def test_does_not_change_when_everything_is_moved():
    rng = np.random.default_rng(7)
    real, generated = rng.standard_normal((80, 5)), rng.uniform(size=(90, 5))
    expected = frechet_distance(real, generated)
    assert frechet_distance(real + 1e6, generated + 1e6) == pytest.approx(expected, rel=1e-8)


def test_rejects_fewer_images_than_twice_the_dimensions():
    array = np.random.default_rng(5).standard_normal((20, 10))
    assert frechet_distance(array, array) == pytest.approx(0, abs=1e-9)
    with pytest.raises(MetricError, match="19 images are too few for 10 feature dimensions"):
        frechet_distance(array, array[:19])


def test_rejects_more_dimensions_than_a_covariance_can_have():
    rows = np.broadcast_to(np.float32(0), (2 * MAX_DIMENSION + 2, MAX_DIMENSION + 1))
    with pytest.raises(MetricError, match="4097 feature dimensions are too many: at most 4096"):
        frechet_distance(rows, rows)
