"""Squared MMD with a Gaussian kernel (Gretton et al. 2012, JMLR 13)."""

from collections.abc import Callable

import numpy as np

from components.metrics.arrays import MetricError, check_features
from components.metrics.distances import BLOCK, Points, squared_distances
from components.metrics.mmd import unbiased_mmd2

BANDWIDTH_ROWS = 1000  # half a million distances: the error of their median is well under 1%


def mmd_rbf(real: np.ndarray, generated: np.ndarray, block: int = BLOCK) -> float:
    """The unbiased estimate of the squared MMD with k(x, y) = exp(-|x - y|^2 / (2 s^2)).

    The bandwidth s is `median_distance` of the real features. The paper takes the median over both
    samples, where a worse model would widen its own kernel and no two models would share a kernel.
    Between -1 and 2; the expected value for equal distributions is zero.

    Args:
        real: float [N, d].
        generated: float [M, d].
        block: rows and columns of the kernel matrix in memory at a time.

    Raises:
        MetricError: the arrays are too small, differ in d, or are not finite; or half of the real
            rows are equal.
    """
    check_features(real=real, generated=generated)
    origin = real.mean(axis=0, dtype=np.float64)
    kernel = gaussian_kernel(median_distance(real))
    return unbiased_mmd2(Points.of(real, origin), Points.of(generated, origin), kernel, block)


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
