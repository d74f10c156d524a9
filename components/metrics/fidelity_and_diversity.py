"""Precision, recall, density and coverage: do samples look real, and are real images covered.

Precision and recall: Kynkaanniemi et al. 2019, arXiv 1904.06991. Density and coverage: Naeem et al.
2020, arXiv 2002.09797.
"""

from typing import NamedTuple

import numpy as np

from components.metrics.arrays import MetricError, check_features
from components.metrics.neighbors import squared_distances, squared_radii

NEAREST_K = 5  # the neighbor that defines the radius of a ball, as in Naeem et al.

# Rounding error of a squared distance, relative to the largest squared norm. Distances that differ
# by less are equal.
ROUNDING = 1e-12


class FidelityAndDiversity(NamedTuple):
    """How far two sets of features cover each other.

    A ball around a row reaches to its k-th nearest neighbor in its own set, border excluded.

    Attributes:
        precision: share of generated rows in a ball of a real row, 0 to 1.
        recall: share of real rows in a ball of a generated row, 0 to 1.
        density: mean number of balls of real rows around a generated row, over k; about 1 for equal
            distributions, and can exceed 1.
        coverage: share of real rows whose ball holds a generated row, 0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def fidelity_and_diversity(
    real: np.ndarray, generated: np.ndarray, k: int = NEAREST_K
) -> FidelityAndDiversity:
    """Computes all four, which takes hardly longer than one of them.

    Args:
        real: float [N, d], N above k.
        generated: float [M, d], M above k.
        k: the neighbor that defines the radius of a ball.

    Raises:
        MetricError: the arrays have at most k rows, differ in d, or are not finite.
    """
    check_features(real=real, generated=generated)
    rows = min(len(real), len(generated))
    if rows <= k:
        raise MetricError(f"{rows} images are too few for the {k}th nearest neighbor of each")
    origin = real.mean(axis=0, dtype=np.float64)
    x, y = real - origin, generated - origin
    rounding = ROUNDING * max((x**2).sum(axis=1).max(), (y**2).sum(axis=1).max())
    real_radii, generated_radii = squared_radii(x, k) - rounding, squared_radii(y, k) - rounding

    balls_around_generated = np.zeros(len(generated), np.int64)  # balls of real rows
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for i, squared in squared_distances(x, y):
        in_real_ball = squared < real_radii[i, None]
        balls_around_generated += in_real_ball.sum(axis=0)
        covered[i] = in_real_ball.any(axis=1)
        recalled[i] = (squared < generated_radii).any(axis=1)
    return FidelityAndDiversity(
        precision=float((balls_around_generated > 0).mean()),
        recall=float(recalled.mean()),
        density=float(balls_around_generated.mean() / k),
        coverage=float(covered.mean()),
    )


def precision(real: np.ndarray, generated: np.ndarray) -> float:
    """Share of samples that could be real, as by `fidelity_and_diversity`."""
    return fidelity_and_diversity(real, generated).precision


def recall(real: np.ndarray, generated: np.ndarray) -> float:
    """Share of real images that could be samples, as by `fidelity_and_diversity`."""
    return fidelity_and_diversity(real, generated).recall


def density(real: np.ndarray, generated: np.ndarray) -> float:
    """Density of real images around the samples, as by `fidelity_and_diversity`."""
    return fidelity_and_diversity(real, generated).density


def coverage(real: np.ndarray, generated: np.ndarray) -> float:
    """Share of real images with a sample nearby, as by `fidelity_and_diversity`."""
    return fidelity_and_diversity(real, generated).coverage
