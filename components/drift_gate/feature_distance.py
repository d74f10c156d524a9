"""How far features of two sets of images are apart: the squared MMD with a Gaussian kernel."""

from collections.abc import Callable

import numpy as np

from components.metrics.arrays import check_features
from components.metrics.distances import Points
from components.metrics.mmd import unbiased_mmd2
from components.metrics.mmd_rbf import gaussian_kernel, median_distance


def feature_distance(
    newest: np.ndarray, reference: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], float]:
    """Prepares the distance of any division of two sets of images.

    It is metrics.mmd_rbf, whose kernel is that of the reference, for all divisions. All kernel
    values are computed once, and held: 32 MB for 2,000 images.

    Args:
        newest: float32 [N, d].
        reference: float32 [M, d].

    Returns:
        A function of the rows of either side, among those of newest and then reference.

    Raises:
        MetricError: the arrays are too small, of different d, or not finite; or half of the
            reference's rows are equal.
    """
    check_features(reference=reference, newest=newest)
    origin = reference.mean(axis=0, dtype=np.float64)
    points = Points.of(np.concatenate([newest, reference]), origin)
    values = gaussian_kernel(median_distance(reference))(points, points)

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return unbiased_mmd2(one, other, lambda x, y: values[np.ix_(x, y)])

    return distance
