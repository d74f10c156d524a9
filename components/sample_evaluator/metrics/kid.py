"""Kernel Inception Distance, in any feature space (Binkowski et al. 2018, arXiv 1801.01401)."""

from typing import NamedTuple

import numpy as np

from components.sample_evaluator.metrics.arrays import MetricError, check_features
from components.sample_evaluator.metrics.distances import BLOCK
from components.sample_evaluator.metrics.mmd import unbiased_mmd2


def kid(real: np.ndarray, generated: np.ndarray, block: int = BLOCK) -> float:
    """The unbiased estimate of the squared MMD with the kernel k(x, y) = (x.y / d + 1)^3.

    Args:
        real: float [N, d].
        generated: float [M, d].
        block: rows and columns of the kernel matrix that are held at a time.

    Raises:
        MetricError: the arrays are too small, of different d, or not finite.
    """
    check_features(real=real, generated=generated)
    return unbiased_mmd2(real, generated, _cubic_kernel, block)


class SubsetKid(NamedTuple):
    """KID over random subsets: the mean of the estimates and their standard deviation."""

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

    The standard deviation is that of one estimate from `subset_size` images. Subsets of nearly all
    rows overlap, and their estimates differ by less than those of new images would.

    Args:
        real: float [N, d].
        generated: float [M, d].
        subsets: how many are drawn of each array.
        subset_size: rows of each.
        seed: of the draws.

    Raises:
        MetricError: the arrays are smaller than a subset, of different d, or not finite.
    """
    check_features(real=real, generated=generated)
    rows = min(len(real), len(generated))
    if not 2 <= subset_size <= rows:
        raise MetricError(f"subsets of {subset_size} rows are asked for: 2 to {rows} are possible")
    random = np.random.RandomState(seed)  # NumPy never changes this stream; Generator's may change
    values = [
        unbiased_mmd2(
            real[random.choice(len(real), subset_size, replace=False)],
            generated[random.choice(len(generated), subset_size, replace=False)],
            _cubic_kernel,
        )
        for _ in range(subsets)
    ]
    return SubsetKid(float(np.mean(values)), float(np.std(values)))


def _cubic_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T
    base /= x.shape[1]
    base += 1
    return base * base * base  # several times faster than base**3
