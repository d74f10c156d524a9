"""Squared distances, and the blocks for computing them."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from components.metrics.distances import Points, row_blocks, squared_distances


def test_equal_those_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 5)), rng.standard_normal((30, 5))
    found = squared_distances(Points.of(x, x[0]), Points.of(y, x[0]))
    np.testing.assert_allclose(found, cdist(x, y, "sqeuclidean"), rtol=1e-12)


def test_are_never_negative():
    points = Points.of(np.random.default_rng(1).uniform(1000, 1001, (200, 50)), np.zeros(50))
    assert squared_distances(points, points).min() >= 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_points_are_relative_to_their_origin_in_float64(dtype):
    features = np.arange(12, dtype=dtype).reshape(3, 4)
    points = Points.of(features, features[1])
    assert points.rows.dtype == points.squared_norms.dtype == np.float64
    np.testing.assert_array_equal(points.rows, [[-4] * 4, [0] * 4, [4] * 4])
    np.testing.assert_array_equal(points.squared_norms, [64, 0, 64])
    assert len(points) == 3
    np.testing.assert_array_equal(points[1:].squared_norms, [0, 64])


@pytest.mark.parametrize("block", [1, 3, 10, 100])
def test_blocks_hold_each_row_once_and_in_order(block):
    features = np.arange(20).reshape(10, 2)
    parts = list(row_blocks(features, block))
    assert all(len(part) <= block for _, part in parts)
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), features)
    np.testing.assert_array_equal(np.concatenate([features[rows] for rows, _ in parts]), features)
