"""Maximum mean discrepancy with any kernel (Gretton et al. 2012, JMLR 13, lemma 6)."""

from collections.abc import Callable

import numpy as np

from components.metrics.arrays import MetricError
from components.metrics.distances import BLOCK, Points, Rows, row_blocks, squared_distances

# From n rows and m rows to the kernel matrix, float64 [n, m], symmetric for equal arguments.
Kernel = Callable[[Rows, Rows], np.ndarray]
BANDWIDTH_ROWS = 1000  # half a million distances: the error of their median is well under 1%


def unbiased_mmd2(x: Rows, y: Rows, kernel: Kernel, block: int = BLOCK) -> float:
    """The unbiased estimate of the squared MMD.

        mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean of k(x_i, y_j)

    All rows are used; the kernel matrix is summed block by block in float64 and never stored. The
    expected value for equal distributions is zero, so single estimates may be negative.

    Args:
        x: N rows, N at least 2, in any form that the kernel accepts.
        y: M rows, M at least 2.
        kernel: from two sets of rows to a matrix.
        block: rows and columns of the kernel matrix in memory at a time.
    """
    n, m = len(x), len(y)
    return float(
        _sum_off_diagonal(x, kernel, block) / (n * (n - 1))
        + _sum_off_diagonal(y, kernel, block) / (m * (m - 1))
        - 2 * _sum(x, y, kernel, block) / (n * m)
    )


def gaussian_kernel(bandwidth: float) -> Callable[[Points, Points], np.ndarray]:
    """The kernel k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)), as a function of two sets of rows."""
    exponent = -0.5 / bandwidth**2

    def kernel(x: Points, y: Points) -> np.ndarray:
        powers = squared_distances(x, y)
        powers *= exponent
        return np.exp(powers, out=powers)

    return kernel


def median_distance(real: np.ndarray) -> float:
    """The median distance between two rows, of at most BANDWIDTH_ROWS evenly spaced rows.

    Args:
        real: float [N, d].

    Raises:
        MetricError: it is zero, because most rows are equal.
    """
    count = min(len(real), BANDWIDTH_ROWS)
    rows = real[np.arange(count) * len(real) // count]
    points = Points.of(rows, real.mean(axis=0, dtype=np.float64))
    squared = squared_distances(points, points)[np.triu_indices(count, k=1)]
    median = float(np.median(np.sqrt(squared)))
    spread = float(np.sqrt(points.squared_norms.mean()))
    if median <= 1e-6 * spread:  # below that, it is rounding error
        raise MetricError("most of the real features are equal: their median distance is zero")
    return median


def _sum(x: Rows, y: Rows, kernel: Kernel, block: int) -> float:
    return sum(kernel(a, b).sum() for _, a in row_blocks(x, block) for _, b in row_blocks(y, block))


def _sum_off_diagonal(x: Rows, kernel: Kernel, block: int) -> float:
    total = 0.0
    for where, a in row_blocks(x, block):
        on_diagonal = kernel(a, a)
        np.fill_diagonal(on_diagonal, 0)
        total += on_diagonal.sum() + 2 * _sum(a, x[: where.start], kernel, block)
    return total
