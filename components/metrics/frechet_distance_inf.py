"""Frechet distance for infinitely many images (Chong & Forsyth 2020, arXiv 1911.07023)."""

import numpy as np

from components.metrics.arrays import MetricError, check_features
from components.metrics.frechet_distance import ROWS_PER_DIMENSION, frechet_distance

POINTS = 15  # as in the paper


def frechet_distance_inf(
    real: np.ndarray, generated: np.ndarray, points: int = POINTS, seed: int = 0
) -> float:
    """Extrapolates the Frechet distance of random subsets of n rows to 1/n = 0, by a line in 1/n.

    The sizes n are evenly spaced from a tenth of the rows, but at least ROWS_PER_DIMENSION * d, to
    all rows. Subsets are drawn from both arrays: the paper draws them from the generated one alone,
    which keeps the bias of the real one, equally large with as few held-out images as samples. The
    expected value for equal distributions is zero, so single estimates may be negative.

    Args:
        real: float [N, d].
        generated: float [M, d].
        points: number of sizes n, at least 2.
        seed: of the subsets.

    Raises:
        MetricError: the arrays differ in d, are not finite, or have fewer than
            2 * ROWS_PER_DIMENSION * d rows: the sizes would be too close together for a line.
    """
    check_features(real=real, generated=generated)
    rows, dimension = min(len(real), len(generated)), real.shape[1]
    smallest = max(ROWS_PER_DIMENSION * dimension, rows // 10)
    if rows < 2 * smallest:
        raise MetricError(
            f"{rows} images are too few to extrapolate from for {dimension} feature dimensions: "
            f"at least {2 * ROWS_PER_DIMENSION * dimension} are needed"
        )
    random = np.random.RandomState(seed)  # its stream is frozen, unlike that of Generator
    counts = np.linspace(smallest, rows, points).astype(int)
    distances = [
        frechet_distance(
            real[random.choice(len(real), count, replace=False)],
            generated[random.choice(len(generated), count, replace=False)],
        )
        for count in counts
    ]
    return float(np.polyfit(1 / counts, distances, deg=1)[-1])
