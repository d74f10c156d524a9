"""Neighbors against SciPy's tree and plain loops, with copies among them."""

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from components.metrics import neighbors
from components.metrics.neighbors import k_nearest, nearest, squared_distances, squared_radii


@pytest.fixture(params=[1, 7, 1000])
def small_blocks(request, monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK_MIB", (request.param + 0.5) * 60 * 8 / 2**20)


@pytest.mark.usefixtures("small_blocks")
def test_blocks_hold_the_distances_of_each_row_once_and_in_order():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 5)), rng.standard_normal((60, 5))
    rows, blocks = zip(*squared_distances(x, y), strict=True)
    np.testing.assert_array_equal(np.concatenate([np.arange(20)[each] for each in rows]), range(20))
    np.testing.assert_allclose(np.concatenate(blocks), cdist(x, y, "sqeuclidean"), rtol=1e-12)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("k", [1, 3, 10])
def test_radii_reach_to_the_kth_other_row(k):
    features = np.random.default_rng(k).standard_normal((60, 4))
    distances, _ = KDTree(features).query(features, k=k + 1)
    np.testing.assert_allclose(squared_radii(features, k), distances[:, -1] ** 2, rtol=1e-9)


def test_copies_are_neighbors_at_distance_zero():
    features = np.random.default_rng(0).integers(0, 9, (20, 3)).astype(np.float64)
    features[10:13] = features[0]
    np.testing.assert_allclose(squared_radii(features, 3)[[0, 10, 11, 12]], 0, atol=1e-12)
    assert squared_radii(features, 4)[0] >= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_is_that_of_the_plain_loop(dtype):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((40, 6)).astype(dtype)
    reference = rng.standard_normal((70, 6)).astype(dtype)
    table = cdist(features, reference)
    found = nearest(features, reference)
    np.testing.assert_array_equal(found.indices, np.argmin(table, axis=1))
    np.testing.assert_allclose(found.distances, np.min(table, axis=1), rtol=1e-12)


def test_an_exact_copy_is_at_distance_zero_far_from_the_origin():
    reference = (1000 + np.random.default_rng(2).standard_normal((50, 30))).astype(np.float32)
    found = nearest(reference[::-1], reference)
    np.testing.assert_array_equal(found.indices, np.arange(50)[::-1])
    np.testing.assert_array_equal(found.distances, 0)


@pytest.mark.usefixtures("small_blocks")
def test_the_k_nearest_are_those_of_a_tree_in_order():
    rng = np.random.default_rng(3)
    features, reference = rng.standard_normal((40, 5)), rng.standard_normal((60, 5))
    tree = KDTree(reference)
    np.testing.assert_array_equal(k_nearest(features, reference, 4), tree.query(features, k=4)[1])
    others = tree.query(reference, k=4)[1][:, 1:]
    np.testing.assert_array_equal(k_nearest(reference, None, 3), others)


def test_no_row_is_its_own_neighbor_among_copies():
    found = k_nearest(np.zeros((6, 2)), None, 5)
    assert (np.sort(found, axis=1) == [[j for j in range(6) if j != i] for i in range(6)]).all()
