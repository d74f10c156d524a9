"""Maximum mean discrepancy with any kernel (Gretton et al. 2012, JMLR 13, lemma 6)."""

from collections.abc import Callable

import numpy as np

from components.metrics.distances import BLOCK, Rows, row_blocks

# From n rows and m rows to the kernel matrix, float64 [n, m], symmetric for equal arguments.
Kernel = Callable[[Rows, Rows], np.ndarray]


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


def _sum(x: Rows, y: Rows, kernel: Kernel, block: int) -> float:
    return sum(kernel(a, b).sum() for _, a in row_blocks(x, block) for _, b in row_blocks(y, block))


def _sum_off_diagonal(x: Rows, kernel: Kernel, block: int) -> float:
    total = 0.0
    for where, a in row_blocks(x, block):
        on_diagonal = kernel(a, a)
        np.fill_diagonal(on_diagonal, 0)
        total += on_diagonal.sum() + 2 * _sum(a, x[: where.start], kernel, block)
    return total
