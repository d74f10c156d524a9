"""A metric of all samples, and of the samples without each of several groups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.metrics.arrays import MetricError

if TYPE_CHECKING:
    from components.metrics import Metric

GROUPS = 10  # of samples


class LeftOut(NamedTuple):
    """The values of a metric.

    Attributes:
        whole: of all samples.
        without: of the samples without each group.
    """

    whole: float
    without: Sequence[float]


def groups_of(count: int) -> list[np.ndarray]:
    """The rows of each group, int [n]: every GROUPS-th one, so that sizes differ by at most one.

    Raises:
        MetricError: there are fewer than two rows per group.
    """
    if count < 2 * GROUPS:
        raise MetricError(f"{count} samples are too few for a spread: {2 * GROUPS} are needed")
    return [np.arange(first, count, GROUPS) for first in range(GROUPS)]


def leave_out(metric: "Metric", real: np.ndarray, generated: np.ndarray) -> LeftOut:
    """Computes a metric of all samples and without each group of `groups_of`.

    Args:
        metric: from the catalog.
        real: features of real images, float [N, d].
        generated: features of samples, float [M, d].

    Raises:
        MetricError: there are too few samples, or the metric cannot be computed.
    """
    groups = groups_of(len(generated))
    if metric.left_out:
        return metric.left_out(real, generated)
    whole = metric.function(real, generated)  # first: its error names the number of all samples
    without = [metric.function(real, np.delete(generated, rows, axis=0)) for rows in groups]
    return LeftOut(whole, without)
