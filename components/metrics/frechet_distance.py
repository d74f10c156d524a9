"""Frechet distance of two Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500)."""

import math
from typing import NamedTuple

import numpy as np
import scipy.linalg

from components.metrics.arrays import MetricError, check_features
from components.metrics.jackknife.leave_out import GROUPS, LeftOut, groups_of

ROWS_PER_DIMENSION = 2  # with fewer rows, the covariances are too uncertain to be compared
MAX_DIMENSION = 4096  # a covariance takes 128 MiB then


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The squared Frechet distance, |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), in float64.

    m, A and n, B are the means and covariances of the two arrays. The trace of the root is the sum
    of the roots of the eigenvalues of R^T B R, which are real, for any R with R R^T = A. The
    estimate is biased upward by about 1/N: compare it at equal N only.

    Args:
        real: float [N, d].
        generated: float [M, d].

    Raises:
        MetricError: the arrays differ in d, hold values that are not finite, or have fewer than
            ROWS_PER_DIMENSION * d rows or more than MAX_DIMENSION dimensions.
    """
    check_features(real=real, generated=generated)
    _check_rows(len(real), len(generated), real.shape[1])
    return _Reference.of(real).distance(*_fit(generated))


def frechet_distance_left_out(real: np.ndarray, generated: np.ndarray) -> LeftOut:
    """`frechet_distance` of all samples and without each group, whose part in the sums is removed.

    Raises:
        MetricError: there are too few samples for groups, or as `frechet_distance` without one.
    """
    check_features(real=real, generated=generated)
    groups, count = groups_of(len(generated)), len(generated)
    _check_rows(len(real), count, real.shape[1], left_out=max(map(len, groups)))
    reference = _Reference.of(real)
    mean, covariance = _fit(generated)
    without = []
    for rows in groups:
        centered, left = generated[rows] - mean, count - len(rows)
        shift = centered.sum(axis=0) / left  # by which the mean moves away from the group
        scatter = (count - 1) * covariance - centered.T @ centered - left * np.outer(shift, shift)
        without.append(reference.distance(mean - shift, scatter / (left - 1)))
    return LeftOut(reference.distance(mean, covariance), without)


def _check_rows(real: int, generated: int, dimension: int, left_out: int = 0) -> None:
    """Raises a MetricError for more than MAX_DIMENSION dimensions, or too few rows for each.

    It names the rows of whole arrays, of which some of the generated ones may be left out.
    """
    if dimension > MAX_DIMENSION:  # before the rows: more of them would not help
        raise MetricError(
            f"{dimension} feature dimensions are too many: at most {MAX_DIMENSION} are allowed"
        )
    needed = ROWS_PER_DIMENSION * dimension
    if min(real, generated - left_out) < needed:
        in_all = needed + (math.ceil(needed / (GROUPS - 1)) if left_out else 0)
        raise MetricError(
            f"{min(real, generated)} images are too few for {dimension} feature dimensions: "
            f"at least {in_all} are needed"
        )


class _Reference(NamedTuple):
    """The Gaussian of real features, with what all distances to it need.

    Attributes:
        mean: float64 [d].
        root: of the covariance, float64 [d, d].
        trace: of the covariance.
    """

    mean: np.ndarray
    root: np.ndarray
    trace: float

    @classmethod
    def of(cls, real: np.ndarray) -> "_Reference":
        mean, covariance = _fit(real)
        return cls(mean, _root(covariance), np.trace(covariance))

    def distance(self, mean: np.ndarray, covariance: np.ndarray) -> float:
        """The distance to a Gaussian."""
        difference = self.mean - mean
        eigenvalues = scipy.linalg.eigvalsh(self.root.T @ covariance @ self.root)
        return float(
            difference @ difference
            + self.trace
            + np.trace(covariance)
            - 2 * np.sqrt(eigenvalues.clip(min=0)).sum()
        )


def _fit(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, float64 [d], and the unbiased estimate of the covariance, float64 [d, d]."""
    mean = features.mean(axis=0, dtype=np.float64)
    centered = features - mean
    return mean, centered.T @ centered / (len(features) - 1)


def _root(matrix: np.ndarray) -> np.ndarray:
    """An R with R R^T = matrix, which is positive semidefinite."""
    try:
        return scipy.linalg.cholesky(matrix, lower=True)
    except scipy.linalg.LinAlgError:  # singular, as with a constant dimension; three times slower
        eigenvalues, vectors = scipy.linalg.eigh(matrix)
        return vectors * np.sqrt(eigenvalues.clip(min=0))
