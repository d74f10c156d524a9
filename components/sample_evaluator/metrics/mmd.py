"""Maximum mean discrepancy with any kernel (Gretton et al. 2012, JMLR 13, lemma 6)."""

from collections.abc import Callable

import numpy as np

from components.sample_evaluator.metrics.distances import BLOCK, row_blocks

# (float64 [n, d], float64 [m, d]) to the kernel matrix, float64 [n, m]
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def unbiased_mmd2(x: np.ndarray, y: np.ndarray, kernel: Kernel, block: int = BLOCK) -> float:
    """The unbiased estimate of the squared MMD.

        mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean of k(x_i, y_j)

    All rows are used, in float64; the kernel matrix is summed block by block and never held. Zero
    is expected for equal distributions, so that single estimates may be negative.

    Args:
        x: float [N, d], N at least 2.
        y: float [M, d], M at least 2.
        kernel: symmetric.
        block: rows and columns of the kernel matrix that are held at a time.
    """
    n, m = len(x), len(y)
    return float(
        _sum_off_diagonal(x, kernel, block) / (n * (n - 1))
        + _sum_off_diagonal(y, kernel, block) / (m * (m - 1))
        - 2 * _sum(x, y, kernel, block) / (n * m)
    )


def _sum(x: np.ndarray, y: np.ndarray, kernel: Kernel, block: int) -> float:
    return sum(kernel(a, b).sum() for _, a in row_blocks(x, block) for _, b in row_blocks(y, block))


def _sum_off_diagonal(x: np.ndarray, kernel: Kernel, block: int) -> float:
    total = 0.0
    for rows, a in row_blocks(x, block):
        on_diagonal = kernel(a, a)
        np.fill_diagonal(on_diagonal, 0)
        total += on_diagonal.sum() + 2 * _sum(a, x[: rows.start], kernel, block)
    return total
