"""Nearest neighbors in a feature space."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from components.metrics.distances import BLOCK, Points, row_blocks, squared_distances


def squared_radii(points: Points, k: int, block: int = BLOCK) -> np.ndarray:
    """The squared distance of each point to its k-th nearest other point.

    Args:
        points: N of them, N above k.
        k: which neighbor; equal points are neighbors at distance 0.
        block: rows and columns of the distance matrix in memory at a time.

    Returns:
        float64 [N].
    """
    nearest = np.full((len(points), k), np.inf)
    for rows, x in row_blocks(points, block):
        squared = squared_distances(x, x)
        np.fill_diagonal(squared, np.inf)
        _keep_smallest(nearest[rows], squared)
        for columns, y in row_blocks(points[: rows.start], block):
            squared = squared_distances(x, y)
            _keep_smallest(nearest[rows], squared)
            _keep_smallest(nearest[columns], squared.T)
    return nearest.max(axis=1)


def _keep_smallest(smallest: np.ndarray, more: np.ndarray) -> None:
    """Updates `smallest` [n, k] with `more` [n, m], row by row."""
    k = smallest.shape[1]
    smallest[:] = np.partition(np.concatenate([smallest, more], axis=1), k - 1, axis=1)[:, :k]


class NearestNeighbors(NamedTuple):
    """The nearest reference row of each row.

    Attributes:
        indices: int [N], into the reference rows.
        distances: float64 [N], 0 for an exact copy.
    """

    indices: np.ndarray
    distances: np.ndarray


def nearest(features: np.ndarray, reference: np.ndarray, block: int = BLOCK) -> NearestNeighbors:
    """Finds the nearest reference row of each row, by Euclidean distance.

    Args:
        features: float [N, d].
        reference: float [M, d].
        block: rows whose distances are computed at a time.
    """
    indices = pairwise_distances_argmin(features, reference)
    distances = np.concatenate(
        [
            np.linalg.norm(x.astype(np.float64) - reference[indices[rows]], axis=1)
            for rows, x in row_blocks(features, block)
        ]
    )
    return NearestNeighbors(indices, distances)


def k_nearest(
    points: Points, reference: Points, k: int, *, others: bool = False, block: int = BLOCK
) -> np.ndarray:
    """The k nearest reference points of each point, nearest first.

    Args:
        points: N of them.
        reference: M of them, at least k.
        k: how many neighbors.
        others: whether the reference points are the points themselves, and none is its own
            neighbor; M is above k then.
        block: rows of the distance matrix in memory at a time.

    Returns:
        int32 [N, k], into the reference points.
    """
    found = np.empty((len(points), k), np.int32)
    for rows, x in row_blocks(points, block):
        squared = squared_distances(x, reference)
        if others:
            squared[np.arange(len(x)), np.arange(rows.start, rows.stop)] = np.inf
        nearest = np.argpartition(squared, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(squared, nearest, axis=1).argsort(axis=1, kind="stable")
        found[rows] = np.take_along_axis(nearest, order, axis=1)
    return found
