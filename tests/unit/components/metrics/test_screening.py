"""Screened distances are on the same side of a limit as distances in float64."""

import numpy as np
import pytest

from components.metrics.distances import Points, squared_distances
from components.metrics.screening import ScreenedPoints, screened_squared_distances


def make_points(seed, n, d=64, scale=1.0):
    features = scale * np.random.default_rng(seed).standard_normal((n, d))
    return Points.of(features, np.zeros(d))


@pytest.mark.parametrize("scale", [1e-60, 1e-3, 1, 1e60])
@pytest.mark.parametrize("nudge", [1 - 1e-11, 1 + 1e-11])
def test_limits_next_to_distances_are_decided_as_in_float64(scale, nudge):
    x, y = make_points(0, 40, scale=scale), make_points(1, 50, scale=scale)
    exact = squared_distances(x, y)
    x_limits = nudge * exact[np.arange(40), np.arange(40) % 7]
    y_limits = nudge * exact[np.arange(50) % 11, np.arange(50)]
    screened = ScreenedPoints.of(x), ScreenedPoints.of(y)
    far = np.full(50, np.inf)
    found = screened_squared_distances(*screened, x_limits, far)
    np.testing.assert_array_equal(found < x_limits[:, None], exact < x_limits[:, None])
    found = screened_squared_distances(*screened, far[:40], y_limits)
    np.testing.assert_array_equal(found < y_limits, exact < y_limits)


@pytest.mark.parametrize("d", [1, 64, 3000])
def test_distances_are_off_by_the_rounding_of_float32_at_most(d):
    x, y = make_points(2, 30, d), make_points(3, 40, d)
    far = np.full(30, np.inf), np.full(40, np.inf)
    found = screened_squared_distances(ScreenedPoints.of(x), ScreenedPoints.of(y), *far)
    exact = squared_distances(x, y)
    norms = np.add.outer(x.squared_norms, y.squared_norms).max()
    assert 0 < np.abs(found - exact).max() < 1e-6 * norms


def test_equal_points_may_all_be_at_the_origin():
    points = ScreenedPoints.of(Points.of(np.ones((5, 3)), np.ones(3)))
    found = screened_squared_distances(points, points, np.zeros(5), np.zeros(5))
    np.testing.assert_array_equal(found, 0)
