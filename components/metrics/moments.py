"""Count, sum and outer product of features, which add up over any split of them."""

from dataclasses import dataclass

import numpy as np

from components.metrics.arrays import MetricError

MAX_DIMENSION = 4096  # of outer products, which take 128 MiB then


@dataclass(frozen=True)
class Moments:
    """What the Frechet distance needs of features, in float64.

    Sums of products lose what the mean has in digits over the standard deviation, twice: with a
    mean of 1,000 standard deviations, a covariance has about 10 of float64's 16 digits.

    Attributes:
        count: rows.
        sum: float64 [d], over the rows.
        outer: float64 [d, d], the sum of the outer product of each row with itself; None above
            MAX_DIMENSION, where it would take gigabytes.
    """

    count: int
    sum: np.ndarray
    outer: np.ndarray | None

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Sums the rows of an array [N, d]; N may be 0."""
        rows = features.astype(np.float64)
        outer = rows.T @ rows if rows.shape[1] <= MAX_DIMENSION else None
        return cls(len(rows), rows.sum(axis=0), outer)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of the rows of both.

        Raises:
            MetricError: they are of different d.
        """
        if self.sum.shape != other.sum.shape:
            raise MetricError(
                f"moments of {len(self.sum)} and {len(other.sum)} dimensions do not add up"
            )
        outer = None if self.outer is None else self.outer + other.outer
        return Moments(self.count + other.count, self.sum + other.sum, outer)

    @property
    def mean(self) -> np.ndarray:
        """float64 [d]."""
        return self.sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased estimate, float64 [d, d]; needs `outer` and at least 2 rows."""
        return (self.outer - np.outer(self.sum, self.mean)) / (self.count - 1)
