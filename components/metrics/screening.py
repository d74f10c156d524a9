"""Squared distances for comparisons with limits, in half the time."""

from dataclasses import dataclass

import numpy as np

from components.metrics.distances import Points, squared_distances

UNIT_ROUNDOFF = 2.0**-24  # of float32


@dataclass(frozen=True)
class ScreenedPoints:
    """Points with a copy in float32.

    Attributes:
        points: N of them.
        scaled: float32 [N, d], the rows divided by `scale`.
        scale: length of the longest row, so that products of scaled rows fit float32.
    """

    points: Points
    scaled: np.ndarray
    scale: float

    @classmethod
    def of(cls, points: Points) -> "ScreenedPoints":
        """Copies the rows."""
        scale = float(np.sqrt(points.squared_norms.max())) or 1.0
        return cls(points, (points.rows / scale).astype(np.float32), scale)

    def __len__(self) -> int:
        return len(self.scaled)

    def __getitem__(self, rows: slice) -> "ScreenedPoints":
        return ScreenedPoints(self.points[rows], self.scaled[rows], self.scale)


def screened_squared_distances(
    x: ScreenedPoints, y: ScreenedPoints, x_limits: np.ndarray, y_limits: np.ndarray
) -> np.ndarray:
    """Squared distances whose comparisons with limits agree with those of `squared_distances`.

    They are computed from products in float32. The error of a product of d terms is at most
    (d + 2) u |x| |y|, with u = UNIT_ROUNDOFF and 2 u from the factors (Higham 2002, Accuracy and
    Stability of Numerical Algorithms, section 3.1). Rows in which the error could decide a
    comparison are computed again in float64.

    Args:
        x: n points.
        y: m points.
        x_limits: float64 [n], limits for the distances of each x.
        y_limits: float64 [m], limits for the distances of each y.

    Returns:
        float64 [n, m].
    """
    squared = np.add.outer(x.points.squared_norms, y.points.squared_norms)
    squared -= np.multiply(x.scaled @ y.scaled.T, 2 * x.scale * y.scale, dtype=np.float64)
    error = 2 * (x.scaled.shape[1] + 2) * UNIT_ROUNDOFF * x.scale * y.scale
    doubtful = _is_near(squared, x_limits[:, None], error) | _is_near(squared, y_limits, error)
    rows = doubtful.any(axis=1)
    if rows.any():
        squared[rows] = squared_distances(x.points[rows], y.points)
    return squared


def _is_near(values: np.ndarray, limits: np.ndarray, error: float) -> np.ndarray:
    return (values < limits - error) != (values < limits + error)
