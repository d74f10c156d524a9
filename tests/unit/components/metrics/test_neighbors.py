"""Neighbors against SciPy's tree and plain loops, with copies among them."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from components.metrics.distances import Points
from components.metrics.neighbors import k_nearest, nearest, squared_radii


def points(features):
    return Points.of(features, features.mean(axis=0))


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("block", [1, 7, 25, 60, 1000])
def test_radii_reach_to_the_kth_other_row_whatever_the_block(k, block):
    features = np.random.default_rng(k).standard_normal((60, 4))
    distances, _ = KDTree(features).query(features, k=k + 1)
    np.testing.assert_allclose(
        squared_radii(points(features), k, block), distances[:, -1] ** 2, rtol=1e-9, atol=1e-12
    )


def test_copies_are_neighbors_at_distance_zero():
    features = np.random.default_rng(0).integers(0, 9, (20, 3)).astype(np.float64)
    features[10:13] = features[0]
    radii = squared_radii(points(features), k=3)
    np.testing.assert_allclose(radii[[0, 10, 11, 12]], 0, atol=1e-12)
    assert squared_radii(points(features), k=4)[0] >= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_nearest_is_that_of_the_plain_loop(dtype, block):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((40, 6)).astype(dtype)
    reference = rng.standard_normal((70, 6)).astype(dtype)
    table = [[np.linalg.norm(x - y) for y in reference.astype(float)] for x in features]
    found = nearest(features, reference, block)
    np.testing.assert_array_equal(found.indices, np.argmin(table, axis=1))
    np.testing.assert_allclose(found.distances, np.min(table, axis=1), rtol=1e-6)


def test_an_exact_copy_is_at_distance_zero_far_from_the_origin():
    reference = (1000 + np.random.default_rng(2).standard_normal((50, 30))).astype(np.float32)
    found = nearest(reference[::-1], reference)
    np.testing.assert_array_equal(found.indices, np.arange(50)[::-1])
    np.testing.assert_array_equal(found.distances, 0)


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_the_k_nearest_are_those_of_a_tree_in_order(block):
    rng = np.random.default_rng(3)
    features, reference = rng.standard_normal((40, 5)), rng.standard_normal((70, 5))
    origin = reference.mean(axis=0)
    x, y = Points.of(features, origin), Points.of(reference, origin)
    expected = KDTree(reference).query(features, k=4)[1]
    np.testing.assert_array_equal(k_nearest(x, y, 4, block=block), expected)
    others = KDTree(reference).query(reference, k=4)[1][:, 1:]
    np.testing.assert_array_equal(k_nearest(y, y, 3, others=True, block=block), others)


def test_no_point_is_its_own_neighbor_among_copies():
    x = points(np.zeros((6, 2)))
    found = k_nearest(x, x, 5, others=True)
    assert (np.sort(found, axis=1) == [[j for j in range(6) if j != i] for i in range(6)]).all()
