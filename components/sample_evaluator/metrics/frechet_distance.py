"""Frechet distance of two Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500)."""

import numpy as np
import scipy.linalg

from components.sample_evaluator.metrics.arrays import MetricError, check_features


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The squared Frechet distance, |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), in float64.

    m, A and n, B are the means and covariances of the two arrays. The square roots are taken of
    symmetric matrices, by eigendecomposition, so that singular covariances are no problem. The
    estimate is biased upward by about 1/N: compare it at equal N only.

    Args:
        real: float [N, d].
        generated: float [M, d].

    Raises:
        MetricError: the arrays are of different d or not finite, or have fewer than 2 d rows,
            where the covariances are too poorly known for the number to mean anything.
    """
    check_features(real, generated)
    rows, dimension = min(len(real), len(generated)), real.shape[1]
    if rows < 2 * dimension:
        raise MetricError(
            f"{rows} images are too few for {dimension} feature dimensions: "
            f"at least {2 * dimension} are needed"
        )
    real, generated = real.astype(np.float64), generated.astype(np.float64)
    difference = real.mean(axis=0) - generated.mean(axis=0)
    real_covariance = np.atleast_2d(np.cov(real, rowvar=False))
    generated_covariance = np.atleast_2d(np.cov(generated, rowvar=False))
    root = _symmetric_root(real_covariance)
    eigenvalues = scipy.linalg.eigvalsh(root @ generated_covariance @ root)
    return float(
        difference @ difference
        + np.trace(real_covariance)
        + np.trace(generated_covariance)
        - 2 * np.sqrt(eigenvalues.clip(min=0)).sum()
    )


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = scipy.linalg.eigh(matrix)
    return (vectors * np.sqrt(eigenvalues.clip(min=0))) @ vectors.T
