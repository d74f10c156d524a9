"""Euclidean distances between many rows, a block of the distance matrix at a time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_chunked

BLOCK_MIB = 16  # of a distance matrix in memory at a time


def squared_distances(
    rows: np.ndarray, others: np.ndarray | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields blocks of squared distances: which rows they are of, and float64 [n, M].

    Args:
        rows: float64 [N, d], around an origin near which squares lose no digits.
        others: float64 [M, d]; the rows themselves by default, each at distance 0 from itself.
    """
    start = 0
    for block in pairwise_distances_chunked(
        rows, others, metric="euclidean", squared=True, working_memory=BLOCK_MIB
    ):
        where = slice(start, start + len(block))
        start = where.stop
        yield where, block


def squared_radii(rows: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each row to its k-th nearest other row; copies are at distance 0.

    Args:
        rows: float64 [N, d], N above k.
        k: which neighbor.

    Returns:
        float64 [N].
    """
    return np.concatenate(
        [np.partition(block, k, axis=1)[:, k] for _, block in squared_distances(rows)]
    )


def k_nearest(rows: np.ndarray, others: np.ndarray | None, k: int) -> np.ndarray:
    """The k nearest other rows of each row, nearest first.

    Args:
        rows: float64 [N, d], as for `squared_distances`.
        others: float64 [M, d], M at least k; None for the rows themselves, of which none is its own
            neighbor, and N is above k.
        k: how many neighbors.

    Returns:
        int [N, k], into the other rows.
    """
    found = []
    for where, block in squared_distances(rows, others):
        if others is None:
            np.fill_diagonal(block[:, where], np.inf)
        nearest = np.argpartition(block, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(block, nearest, axis=1).argsort(axis=1, kind="stable")
        found.append(np.take_along_axis(nearest, order, axis=1))
    return np.concatenate(found)


class Nearest(NamedTuple):
    """The nearest reference row of each row.

    Attributes:
        indices: int [N], into the reference rows.
        distances: float64 [N], 0 for an exact copy.
    """

    indices: np.ndarray
    distances: np.ndarray


def nearest(features: np.ndarray, reference: np.ndarray) -> Nearest:
    """Finds the nearest reference row of each row, by Euclidean distance.

    Args:
        features: float [N, d].
        reference: float [M, d].
    """
    indices = pairwise_distances_argmin(features, reference)
    differences = features.astype(np.float64) - reference[indices]
    return Nearest(indices, np.linalg.norm(differences, axis=1))
