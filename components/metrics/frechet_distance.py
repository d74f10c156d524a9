"""Frechet distance of two Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500)."""

import numpy as np
import scipy.linalg

from components.metrics.arrays import MetricError, check_features
from components.metrics.moments import MAX_DIMENSION, Moments

ROWS_PER_DIMENSION = 2  # below, covariances are too poorly known for a distance to mean anything


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """`frechet_distance_of` the moments of two arrays.

    Args:
        real: float [N, d].
        generated: float [M, d].

    Raises:
        MetricError: the arrays are of different d or not finite, or have fewer than
            ROWS_PER_DIMENSION * d rows.
    """
    check_features(real=real, generated=generated)
    _check_rows(min(len(real), len(generated)), real.shape[1])
    origin = real.mean(axis=0, dtype=np.float64)  # near it, sums of products keep their digits
    return frechet_distance_of(Moments.of(real - origin), Moments.of(generated - origin))


def frechet_distance_of(real: Moments, generated: Moments) -> float:
    """The squared Frechet distance, |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), in float64.

    m, A and n, B are the two means and covariances. The trace of the root is the sum of the roots
    of the eigenvalues of R^T B R, which are real, for any R with R R^T = A. The estimate is biased
    upward by about 1/N: compare it at equal N only.

    Args:
        real: moments of at least ROWS_PER_DIMENSION * d rows.
        generated: as many, with the same origin.

    Raises:
        MetricError: the moments are of different d or not finite, of fewer than
            ROWS_PER_DIMENSION * d rows, or of more than MAX_DIMENSION dimensions.
    """
    for name, moments in (("real", real), ("generated", generated)):
        if not np.isfinite(moments.sum if moments.outer is None else moments.outer).all():
            raise MetricError(f"the {name} features hold NaN or infinite values")
    if real.sum.shape != generated.sum.shape:
        raise MetricError(
            f"real features have {len(real.sum)} dimensions, generated ones {len(generated.sum)}"
        )
    _check_rows(min(real.count, generated.count), len(real.sum))
    if real.outer is None:
        raise MetricError(
            f"{len(real.sum)} feature dimensions are too many: at most {MAX_DIMENSION} are allowed"
        )
    difference = real.mean - generated.mean
    real_covariance, generated_covariance = real.covariance, generated.covariance
    root = _root(real_covariance)
    eigenvalues = scipy.linalg.eigvalsh(root.T @ generated_covariance @ root)
    return float(
        difference @ difference
        + np.trace(real_covariance)
        + np.trace(generated_covariance)
        - 2 * np.sqrt(eigenvalues.clip(min=0)).sum()
    )


def _check_rows(rows: int, dimension: int) -> None:
    needed = ROWS_PER_DIMENSION * dimension
    if rows < needed:
        raise MetricError(
            f"{rows} images are too few for {dimension} feature dimensions: "
            f"at least {needed} are needed"
        )


def _root(matrix: np.ndarray) -> np.ndarray:
    """An R with R R^T = matrix, which is positive semidefinite."""
    try:
        return scipy.linalg.cholesky(matrix, lower=True)
    except scipy.linalg.LinAlgError:  # singular, as with a constant dimension; three times slower
        eigenvalues, vectors = scipy.linalg.eigh(matrix)
        return vectors * np.sqrt(eigenvalues.clip(min=0))
