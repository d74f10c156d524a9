"""Frechet distance of two Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500)."""

import numpy as np
import scipy.linalg

from components.metrics import MAX_DIMENSION, ROWS_PER_DIMENSION
from components.metrics.arrays import MetricError, check_features


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
    rows, dimension = min(len(real), len(generated)), real.shape[1]
    if dimension > MAX_DIMENSION:  # before the rows: more of them would not help
        raise MetricError(
            f"{dimension} feature dimensions are too many: at most {MAX_DIMENSION} are allowed"
        )
    if rows < ROWS_PER_DIMENSION * dimension:
        raise MetricError(
            f"{rows} images are too few for {dimension} feature dimensions: "
            f"at least {ROWS_PER_DIMENSION * dimension} are needed"
        )
    (m, a), (n, b) = _fit(real), _fit(generated)
    root = _root(a)
    eigenvalues = scipy.linalg.eigvalsh(root.T @ b @ root)
    overlap = np.sqrt(eigenvalues.clip(min=0)).sum()
    return float((m - n) @ (m - n) + np.trace(a) + np.trace(b) - 2 * overlap)


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
