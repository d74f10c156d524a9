"""The distance between features of two sets of images: squared MMD with a Gaussian kernel.

The estimate of the squared maximum mean discrepancy is unbiased: Gretton et al. 2012, JMLR 13,
lemma 6.
"""

from collections.abc import Callable

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from components.metrics.arrays import MetricError, check_features

BANDWIDTH_ROWS = 1000  # half a million distances: the error of their median is well under 1%


def feature_distance(
    newest: np.ndarray, reference: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], float]:
    """Prepares the distances of divisions of two sets of images.

    They are unbiased. The kernel is exp(-|x - y|^2 / (2 b^2)) for all divisions, where b is the
    median distance between two rows of the reference. All its values are computed once and kept:
    32 MB for 2,000 images.

    Args:
        newest: float32 [N, d].
        reference: float32 [M, d].

    Returns:
        A function of two index arrays into the rows of newest followed by those of reference.

    Raises:
        MetricError: the arrays are too small, differ in d, or are not finite; or half of the
            rows of the reference are equal.
    """
    check_features(reference=reference, newest=newest)
    origin = reference.mean(axis=0, dtype=np.float64)
    points = np.concatenate([newest, reference]) - origin
    squared = euclidean_distances(points, squared=True)
    count = min(len(reference), BANDWIDTH_ROWS)
    rows = len(newest) + np.arange(count) * len(reference) // count
    median = np.median(squared[np.ix_(rows, rows)][np.triu_indices(count, k=1)])
    if median <= 1e-12 * (points[rows] ** 2).sum(axis=1).mean():  # below that, it is rounding error
        raise MetricError("most of the real features are equal: their median distance is zero")
    values = np.exp(squared * (-0.5 / median))

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        within = sum(  # without the ones of the diagonal
            (values[np.ix_(rows, rows)].sum() - len(rows)) / (len(rows) * (len(rows) - 1))
            for rows in (one, other)
        )
        return float(within - 2 * values[np.ix_(one, other)].mean())

    return distance
