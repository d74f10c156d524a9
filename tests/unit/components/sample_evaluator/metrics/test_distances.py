"""Squared distances, and the blocks that they are computed in."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from components.sample_evaluator.metrics.distances import row_blocks, squared_distances


def test_equal_those_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 5)), rng.standard_normal((30, 5))
    np.testing.assert_allclose(squared_distances(x, y), cdist(x, y, "sqeuclidean"), rtol=1e-12)


def test_are_never_negative():
    x = np.random.default_rng(1).uniform(1000, 1001, (200, 50))
    assert squared_distances(x, x).min() >= 0


@pytest.mark.parametrize("block", [1, 3, 10, 100])
def test_blocks_hold_each_row_once_and_in_order(block):
    features = np.arange(20, dtype=np.float32).reshape(10, 2)
    parts = list(row_blocks(features, block))
    assert all(len(part) <= block and part.dtype == np.float64 for _, part in parts)
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), features)
    np.testing.assert_array_equal(np.concatenate([features[rows] for rows, _ in parts]), features)
