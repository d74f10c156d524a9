"""Euclidean distances between many points, a block of the distance matrix at a time."""

from collections.abc import Iterator

import numpy as np

BLOCK = 1024  # rows and columns of a distance or kernel matrix that are held at a time


def row_blocks(features: np.ndarray, block: int = BLOCK) -> Iterator[tuple[slice, np.ndarray]]:
    """Cuts an array [N, d] into consecutive blocks of rows.

    Yields:
        The rows of a block, and these rows in float64 [at most `block`, d].
    """
    for start in range(0, len(features), block):
        rows = slice(start, min(start + block, len(features)))
        yield rows, features[rows].astype(np.float64, copy=False)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, as |x|^2 + |y|^2 - 2 x.y: most of it is one matrix product.

    A distance far below the norms is lost in their rounding: move the points near the origin first.

    Args:
        x: float64 [n, d].
        y: float64 [m, d].

    Returns:
        float64 [n, m], not negative.
    """
    squared = x @ y.T
    squared *= -2
    squared += np.einsum("nd,nd->n", x, x)[:, None]
    squared += np.einsum("md,md->m", y, y)
    return np.maximum(squared, 0, out=squared)
