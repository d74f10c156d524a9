"""Sliced Wasserstein distance.

Rabin et al. 2011, doi 10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, doi
10.1007/s10851-014-0506-3.
"""

import numpy as np

from components.metrics.arrays import check_features

PROJECTIONS = 1024
DIRECTIONS_AT_A_TIME = 64


def sliced_wasserstein(
    real: np.ndarray, generated: np.ndarray, projections: int = PROJECTIONS, seed: int = 0
) -> float:
    """The root mean square, over random directions, of the one-dimensional 2-Wasserstein distance.

        SW_2 = (mean over directions t of W_2^2(t.x, t.y))^1/2

    In one dimension W_2 is computed exactly, from the two quantile functions. A shift by v has the
    distance |v| / d^1/2. In the unit of the features; biased upward, since small sets differ by
    chance: compare it at equal N only.

    Args:
        real: float [N, d].
        generated: float [M, d].
        projections: number of directions, uniform on the sphere.
        seed: of the directions.

    Raises:
        MetricError: the arrays are too small, differ in d, or are not finite.
    """
    check_features(real=real, generated=generated)
    # The stream of RandomState is frozen, unlike that of Generator.
    directions = np.random.RandomState(seed).standard_normal((projections, real.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    widths, real_rows, generated_rows = _quantile_steps(len(real), len(generated))
    squared = 0.0
    for start in range(0, projections, DIRECTIONS_AT_A_TIME):
        some = directions[start : start + DIRECTIONS_AT_A_TIME]
        real_quantiles = np.sort(some @ real.T.astype(np.float64), axis=1)
        generated_quantiles = np.sort(some @ generated.T.astype(np.float64), axis=1)
        difference = real_quantiles[:, real_rows] - generated_quantiles[:, generated_rows]
        squared += ((difference * difference) @ widths).sum()
    return float(np.sqrt(squared / projections))


def _quantile_steps(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The steps on which the quantile functions of n and of m sorted values are both constant.

    Returns:
        The widths of the steps, with sum 1; the indices of their values in the n, and in the m.
    """
    borders = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in units of 1 / (n m)
    starts = borders[:-1]
    return np.diff(borders) / (n * m), starts // m, starts // n
