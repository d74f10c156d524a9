"""By how much a model is worse than another, and how sure that is.

The spread is the delete-a-group jackknife's over groups of seeds (Kott 2001, "The delete-a-group
jackknife"), paired: both models lose the same seeds at a time, so that what their samples have in
common cancels.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.stats

from components.metrics.arrays import MetricError

if TYPE_CHECKING:
    from components.metrics import Metric

GROUPS = 10  # of seeds
CONFIDENCE = 0.99  # one-sided: of a hundred equal models, one seems to be worse


class Worsening(NamedTuple):
    """A change for the worse.

    Attributes:
        difference: of the candidate's value and the baseline's; positive: the candidate is worse.
        margin: what seeds alone make of it, at most, with the confidence CONFIDENCE.
    """

    difference: float
    margin: float

    @property
    def proven(self) -> float:
        """The worsening that no choice of seeds explains; negative where there is none."""
        return self.difference - self.margin


def worsening(
    metric: "Metric", real: np.ndarray, candidate: np.ndarray, baseline: np.ndarray
) -> Worsening:
    """Compares two models by a metric of their samples.

    Args:
        metric: of the catalog.
        real: features of real images, float [N, d].
        candidate: features of the candidate's samples, float [M, d].
        baseline: features of the baseline's samples from the same seeds in the same order.

    Raises:
        MetricError: the models have different numbers of samples, there are fewer than two for
            each group, or the metric cannot be computed.
    """
    count = len(candidate)
    if len(baseline) != count:
        raise MetricError(f"{count} samples cannot be paired with {len(baseline)} of the baseline")
    if count < 2 * GROUPS:
        raise MetricError(f"{count} samples are too few for a spread: {2 * GROUPS} are needed")
    sign = -1 if metric.larger_is_better else 1

    def difference(kept: np.ndarray) -> float:
        return sign * (
            metric.function(real, candidate[kept]) - metric.function(real, baseline[kept])
        )

    group = np.arange(count) % GROUPS
    without = np.array([difference(group != i) for i in range(GROUPS)])
    variance = (GROUPS - 1) / GROUPS * ((without - without.mean()) ** 2).sum()
    quantile = scipy.stats.t.ppf(CONFIDENCE, GROUPS - 1)
    return Worsening(difference(group >= 0), float(quantile * np.sqrt(variance)))
