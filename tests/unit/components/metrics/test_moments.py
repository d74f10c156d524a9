"""Moments add up, and give NumPy's mean and covariance."""

import functools
import operator

import numpy as np
import pytest

from components.metrics.arrays import MetricError
from components.metrics.moments import Moments


def make_features(n=200, d=6):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 3


def test_give_the_mean_and_covariance_of_numpy():
    features = make_features()
    moments = Moments.of(features)
    assert moments.count == 200
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), rtol=1e-10)


@pytest.mark.parametrize("borders", [[], [1], [0, 7, 7, 150], list(range(1, 200))])
def test_add_up_over_any_split(borders):
    features = make_features()
    parts = [Moments.of(part) for part in np.split(features, borders)]
    total, whole = functools.reduce(operator.add, reversed(parts)), Moments.of(features)
    assert total.count == whole.count
    np.testing.assert_allclose(total.covariance, whole.covariance, rtol=1e-12)
    np.testing.assert_allclose(total.mean, whole.mean, rtol=1e-12)


def test_float32_features_are_summed_in_float64():
    features = (1000 + make_features()).astype(np.float32)
    covariance = Moments.of(features).covariance
    expected = np.cov(features.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(covariance, expected, rtol=1e-6)


def test_of_different_dimensions_do_not_add_up():
    with pytest.raises(MetricError, match="6 and 5 dimensions"):
        Moments.of(make_features(d=6)) + Moments.of(make_features(d=5))
