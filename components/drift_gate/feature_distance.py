"""The distance between features of two sets of images: squared MMD with a Gaussian kernel."""

from collections.abc import Callable

import numpy as np

from components.metrics.arrays import check_features
from components.metrics.distances import Points
from components.metrics.mmd import gaussian_kernel, median_distance, unbiased_mmd2


def feature_distance(
    newest: np.ndarray, reference: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], float]:
    """Prepares the distances of divisions of two sets of images.

    They are unbiased, with the kernel of the reference for all divisions. All
    kernel values are computed once and kept: 32 MB for 2,000 images.

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
    points = Points.of(np.concatenate([newest, reference]), origin)
    values = gaussian_kernel(median_distance(reference))(points, points)

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return unbiased_mmd2(one, other, lambda x, y: values[np.ix_(x, y)])

    return distance
