"""Maximum mean discrepancy with any kernel (Gretton et al. 2012, JMLR 13, lemma 6)."""

from collections.abc import Callable, Sequence

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


def left_out_mmd2(
    x: Rows, groups: Sequence[Rows], kernel: Kernel, block: int = BLOCK
) -> tuple[float, list[float]]:
    """`unbiased_mmd2` of x and all groups together, and without each group.

    The kernel matrix is summed once, for each pair of groups: what a group leaves is the total less
    its sums.

    Args:
        x: N rows, N at least 2.
        groups: the rows of each, at least 2 of them without any group.
        kernel: from two sets of rows to a matrix.
        block: rows and columns of the kernel matrix in memory at a time.
    """
    n, sizes = len(x), np.array([len(group) for group in groups])
    within_x = _sum_off_diagonal(x, kernel, block) / (n * (n - 1))
    across = np.array([_sum(x, group, kernel, block) for group in groups])
    within = np.diag([_sum_off_diagonal(group, kernel, block) for group in groups])
    for i, group in enumerate(groups):
        for j, other in enumerate(groups[:i]):
            within[i, j] = within[j, i] = _sum(group, other, kernel, block)

    def estimate(m: int | np.ndarray, within_y: np.ndarray, across: np.ndarray) -> np.ndarray:
        return within_x + within_y / (m * (m - 1)) - 2 * across / (n * m)

    whole = estimate(sizes.sum(), within.sum(), across.sum())
    without = estimate(
        sizes.sum() - sizes,
        within.sum() - 2 * within.sum(axis=1) + within.diagonal(),
        across.sum() - across,
    )
    return float(whole), without.tolist()


def _sum(x: Rows, y: Rows, kernel: Kernel, block: int) -> float:
    return sum(kernel(a, b).sum() for _, a in row_blocks(x, block) for _, b in row_blocks(y, block))


def _sum_off_diagonal(x: Rows, kernel: Kernel, block: int) -> float:
    total = 0.0
    for where, a in row_blocks(x, block):
        on_diagonal = kernel(a, a)
        np.fill_diagonal(on_diagonal, 0)
        total += on_diagonal.sum() + 2 * _sum(a, x[: where.start], kernel, block)
    return total
