"""Kernel Inception Distance, in any feature space (Binkowski et al. 2018, arXiv 1801.01401).

It is the unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, JMLR 13,
lemma 6) with the kernel k(x, y) = (x.y / d + 1)^3:

    mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean of k(x_i, y_j)

Its expected value for equal distributions is zero, so single estimates may be negative.
"""

from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from components.metrics.arrays import MetricError, check_features

BLOCK = 512  # rows of the kernel matrix in memory at a time


def kid(real: np.ndarray, generated: np.ndarray) -> float:
    """KID of all rows, in float64.

    Args:
        real: float [N, d].
        generated: float [M, d].

    Raises:
        MetricError: the arrays are too small, differ in d, or are not finite.
    """
    check_features(real=real, generated=generated)
    [value] = _estimates(real, generated, np.ones((1, len(real))), np.ones((1, len(generated))))
    return float(value)


class SubsetKid(NamedTuple):
    """Mean and standard deviation of KID estimates over random subsets."""

    mean: float
    stddev: float


def kid_over_subsets(
    real: np.ndarray,
    generated: np.ndarray,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> SubsetKid:
    """KID as it is usually published: over subsets of equal size, drawn without replacement.

    The standard deviation is that of one estimate from `subset_size` images. If subsets contain
    nearly all rows, they overlap, and their estimates vary less than those of new images would.

    Args:
        real: float [N, d].
        generated: float [M, d].
        subsets: number of subsets drawn from each array.
        subset_size: rows of each subset.
        seed: of the draws.

    Raises:
        MetricError: the arrays are smaller than a subset, differ in d, or are not finite.
    """
    check_features(real=real, generated=generated)
    rows = min(len(real), len(generated))
    if not 2 <= subset_size <= rows:
        raise MetricError(f"subset_size={subset_size}: must be 2 to {rows}, the number of rows")
    random = np.random.RandomState(seed)  # its stream is frozen, unlike that of Generator
    in_real, in_generated = np.zeros((subsets, len(real))), np.zeros((subsets, len(generated)))
    for subset in range(subsets):
        for members in (in_real, in_generated):
            members[subset, random.choice(members.shape[1], subset_size, replace=False)] = 1
    values = _estimates(real, generated, in_real, in_generated)
    return SubsetKid(float(np.mean(values)), float(np.std(values)))


def _estimates(
    real: np.ndarray, generated: np.ndarray, in_real: np.ndarray, in_generated: np.ndarray
) -> np.ndarray:
    """KID of S subsets at once: the kernel matrix is made once, block by block.

    Args:
        real: float [N, d].
        generated: float [M, d].
        in_real: float64 [S, N], 1 for the rows of a subset, else 0.
        in_generated: float64 [S, M].

    Returns:
        float64 [S].
    """
    scale = np.sqrt(real.shape[1])
    x, y = real.astype(np.float64) / scale, generated.astype(np.float64) / scale
    n, m = in_real.sum(axis=1), in_generated.sum(axis=1)
    across = sum(
        _sums(in_real[:, rows], _kernel(x[rows], y), in_generated)
        for rows in gen_batches(len(x), BLOCK)
    )
    return (
        2 * _within(x, in_real) / (n * (n - 1))
        + 2 * _within(y, in_generated) / (m * (m - 1))
        - 2 * across / (n * m)
    )


def _within(x: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The sums of the kernel over all pairs of different rows, each pair once."""
    return sum(
        _sums(
            members[:, rows],
            np.tril(_kernel(x[rows], x[: rows.stop]), rows.start - 1),
            members[:, : rows.stop],
        )
        for rows in gen_batches(len(x), BLOCK)
    )


def _sums(in_x: np.ndarray, values: np.ndarray, in_y: np.ndarray) -> np.ndarray:
    """Sums values [n, m] over the rows [S, n] and columns [S, m] of each subset."""
    return ((in_x @ values) * in_y).sum(axis=1)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T
    base += 1
    cube = base * base  # two products are several times faster than base**3
    cube *= base
    return cube
