"""Metrics of sample quality: pure functions of two feature arrays, by name."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from components.metrics.fidelity_and_diversity import coverage, density, precision, recall
from components.metrics.frechet_distance import frechet_distance
from components.metrics.frechet_distance_inf import frechet_distance_inf
from components.metrics.kid import kid
from components.metrics.mmd_rbf import mmd_rbf
from components.metrics.sliced_wasserstein import sliced_wasserstein


class Metric(NamedTuple):
    """A way to compare generated features with real ones.

    Attributes:
        function: takes real features [N, d] and generated ones [M, d]; raises MetricError.
        larger_is_better: true of precision, for example; false of distances.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    larger_is_better: bool


CATALOG: dict[str, Metric] = {
    "kid": Metric(kid, larger_is_better=False),
    "frechet_distance": Metric(frechet_distance, larger_is_better=False),
    "frechet_distance_inf": Metric(frechet_distance_inf, larger_is_better=False),
    "mmd_rbf": Metric(mmd_rbf, larger_is_better=False),
    "sliced_wasserstein": Metric(sliced_wasserstein, larger_is_better=False),
    "precision": Metric(precision, larger_is_better=True),
    "recall": Metric(recall, larger_is_better=True),
    "density": Metric(density, larger_is_better=True),
    "coverage": Metric(coverage, larger_is_better=True),
}

AT_HOLDOUT = "@holdout"  # suffix of metrics that compare with the images of data.holdout
HOLDOUT_METRICS = tuple(f"{name}{AT_HOLDOUT}" for name in ("kid", "frechet_distance", "coverage"))


def get_metric(name: str) -> Metric:
    """Returns the metric with a name in CATALOG or HOLDOUT_METRICS."""
    return CATALOG[name.removesuffix(AT_HOLDOUT)]
