"""Frechet distance at infinitely many images (Chong & Forsyth 2020, arXiv 1911.07023)."""

import numpy as np

from components.metrics.arrays import MetricError, check_features
from components.metrics.frechet_distance import ROWS_PER_DIMENSION, frechet_distance

POINTS = 15  # as in the paper


def frechet_distance_inf(
    real: np.ndarray, generated: np.ndarray, points: int = POINTS, seed: int = 0
) -> float:
    """Extrapolates the Frechet distance of random subsets of n rows to 1/n = 0, by a line in 1/n.

    The numbers n are evenly spaced, from a tenth of the rows but at least ROWS_PER_DIMENSION * d,
    up to all of them. Both arrays are cut to n rows: the paper cuts the generated one alone, which
    keeps the bias of the real one, as large where held-out images are as few as samples. Zero is
    expected for equal distributions, so that single estimates may be negative.

    Args:
        real: float [N, d].
        generated: float [M, d].
        points: numbers n, at least 2.
        seed: of the subsets.

    Raises:
        MetricError: the arrays are of different d or not finite, or have fewer than
            2 * ROWS_PER_DIMENSION * d rows, which are too close to each other for a line.
    """
    check_features(real=real, generated=generated)
    rows, dimension = min(len(real), len(generated)), real.shape[1]
    smallest = max(ROWS_PER_DIMENSION * dimension, rows // 10)
    if rows < 2 * smallest:
        raise MetricError(
            f"{rows} images are too few to extrapolate from for {dimension} feature dimensions: "
            f"at least {2 * ROWS_PER_DIMENSION * dimension} are needed"
        )
    random = np.random.RandomState(seed)  # NumPy never changes this stream; Generator's may change
    counts = np.linspace(smallest, rows, points).astype(int)
    distances = [
        frechet_distance(
            real[random.choice(len(real), count, replace=False)],
            generated[random.choice(len(generated), count, replace=False)],
        )
        for count in counts
    ]
    return float(np.polyfit(1 / counts, distances, deg=1)[-1])
