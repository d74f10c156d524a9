"""Count, sum and outer product of features, which add up over any split of them."""

from dataclasses import dataclass

import numpy as np

from components.sample_evaluator.metrics.arrays import MetricError


@dataclass(frozen=True)
class Moments:
    """What the Frechet distance needs of features, in float64.

    Sums of products lose what the mean has in digits over the standard deviation, twice: with a
    mean of 1,000 standard deviations, a covariance has about 10 of float64's 16 digits.

    Attributes:
        count: rows.
        sum: float64 [d], over the rows.
        outer: float64 [d, d], the sum of the outer product of each row with itself.
    """

    count: int
    sum: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Sums the rows of an array [N, d]; N may be 0."""
        rows = features.astype(np.float64)
        return cls(len(rows), rows.sum(axis=0), rows.T @ rows)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of the rows of both.

        Raises:
            MetricError: they are of different d.
        """
        if self.sum.shape != other.sum.shape:
            raise MetricError(
                f"moments of {len(self.sum)} and {len(other.sum)} dimensions do not add up"
            )
        return Moments(self.count + other.count, self.sum + other.sum, self.outer + other.outer)

    @property
    def mean(self) -> np.ndarray:
        """float64 [d]."""
        return self.sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased estimate, float64 [d, d]; needs at least 2 rows."""
        return (self.outer - np.outer(self.sum, self.mean)) / (self.count - 1)
