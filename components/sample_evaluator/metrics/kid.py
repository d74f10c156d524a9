"""Kernel Inception Distance, in any feature space (Binkowski et al. 2018, arXiv 1801.01401)."""

from collections.abc import Iterator

import numpy as np

from components.sample_evaluator.metrics.arrays import check_features


def kid(real: np.ndarray, generated: np.ndarray, block: int = 1024) -> float:
    """The unbiased estimate of the squared MMD with the kernel k(x, y) = (x.y / d + 1)^3.

        mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean of k(x_i, y_j)

    All rows are used, in float64; the kernel matrix is summed block by block and never held. Zero
    is expected for equal distributions, so that single estimates may be negative.

    Args:
        real: float [N, d].
        generated: float [M, d].
        block: rows and columns of the kernel matrix that are held at a time.

    Raises:
        MetricError: the arrays are too small, of different d, or not finite.
    """
    check_features(real, generated)
    n, m = len(real), len(generated)
    return float(
        (_kernel_sum(real, real, block) - _diagonal_sum(real, block)) / (n * (n - 1))
        + (_kernel_sum(generated, generated, block) - _diagonal_sum(generated, block))
        / (m * (m - 1))
        - 2 * _kernel_sum(real, generated, block) / (n * m)
    )


def _kernel_sum(x: np.ndarray, y: np.ndarray, block: int) -> float:
    return sum(
        _cubic(a @ b.T, x.shape[1]).sum() for a in _blocks(x, block) for b in _blocks(y, block)
    )


def _diagonal_sum(x: np.ndarray, block: int) -> float:
    return sum(_cubic(np.einsum("nd,nd->n", a, a), x.shape[1]).sum() for a in _blocks(x, block))


def _cubic(products: np.ndarray, dimension: int) -> np.ndarray:
    base = products / dimension + 1
    return base * base * base  # several times faster than base**3


def _blocks(x: np.ndarray, block: int) -> Iterator[np.ndarray]:
    return (x[i : i + block].astype(np.float64) for i in range(0, len(x), block))
