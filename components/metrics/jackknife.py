"""How much worse one model is than another in a metric, and how certain that is.

The spread is that of the delete-a-group jackknife over groups of seeds (Kott 2001, "The delete-a-
group jackknife"), paired: both models lose the same seeds at a time, so that common properties of
their samples cancel.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

from components.metrics import GROUPS, Metric
from components.metrics.arrays import MetricError

CONFIDENCE = 0.99  # one-sided: one in a hundred equal models seems to be worse


class LeftOut(NamedTuple):
    """The values of a metric.

    Attributes:
        whole: of all samples.
        without: of the samples without each group.
    """

    whole: float
    without: Sequence[float]


class Worsening(NamedTuple):
    """A change for the worse.

    Attributes:
        difference: between candidate and baseline; positive if the candidate is worse.
        margin: largest difference that seeds alone explain, with CONFIDENCE.
    """

    difference: float
    margin: float

    @property
    def proven(self) -> float:
        """The difference beyond the margin; negative if seeds explain it."""
        return self.difference - self.margin


def leave_out(metric: Metric, real: np.ndarray, generated: np.ndarray) -> LeftOut:
    """Computes a metric of all samples and without each of GROUPS groups.

    Args:
        metric: from the catalog.
        real: features of real images, float [N, d].
        generated: features of samples, float [M, d].

    Raises:
        MetricError: there are fewer than two samples per group, or the metric cannot be computed.
    """
    count = len(generated)
    if count < 2 * GROUPS:
        raise MetricError(f"{count} samples are too few for a spread: {2 * GROUPS} are needed")
    whole = metric.function(real, generated)
    groups = np.arange(count) % GROUPS
    try:
        without = [metric.function(real, generated[groups != group]) for group in range(GROUPS)]
    except MetricError as error:
        raise MetricError(f"without one of {GROUPS} groups of the samples: {error}") from None
    return LeftOut(whole, without)


def worsening(
    metric: Metric, real: np.ndarray, candidate: np.ndarray, baseline: np.ndarray
) -> Worsening:
    """Compares two models by a metric of their samples.

    Args:
        metric: from the catalog.
        real: features of real images, float [N, d].
        candidate: features of the candidate's samples, float [M, d].
        baseline: features of the baseline's samples from the same seeds in the same order.

    Raises:
        MetricError: the models have different numbers of samples, or as `leave_out`.
    """
    count = len(candidate)
    if len(baseline) != count:
        raise MetricError(f"{count} samples cannot be paired with the baseline's {len(baseline)}")
    return change(metric, leave_out(metric, real, candidate), leave_out(metric, real, baseline))


def change(metric: Metric, candidate: LeftOut, baseline: LeftOut) -> Worsening:
    """Compares two models by the values of a metric, of equally many samples."""
    sign = -1 if metric.larger_is_better else 1
    without = sign * np.subtract(candidate.without, baseline.without)
    variance = (GROUPS - 1) / GROUPS * ((without - without.mean()) ** 2).sum()
    quantile = scipy.stats.t.ppf(CONFIDENCE, GROUPS - 1)
    difference = sign * (candidate.whole - baseline.whole)
    return Worsening(difference, float(quantile * np.sqrt(variance)))
