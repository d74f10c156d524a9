"""Metrics of sample quality: pure functions of an array of real and one of generated images."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from components.metrics.fidelity_and_diversity import coverage, density, precision, recall
from components.metrics.frechet_distance import frechet_distance
from components.metrics.image_statistics import color_distance, layout_distance, spectrum_distance
from components.metrics.kid import kid
from components.metrics.pair_scores import mean_score


class Metric(NamedTuple):
    """A way to compare generated images with real ones.

    Attributes:
        function: takes an array of real images [N, d] and one of generated ones [M, d]; raises
            MetricError.
        larger_is_better: true of precision, for example; false of distances.
        array: which array: features, one of ImageStatistics, or of the scores of pairs.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    larger_is_better: bool
    array: Literal[
        "vector", "spectrum", "colors", "layout", "psnr", "ssim", "feature_distance", "consistency"
    ] = "vector"


CATALOG: dict[str, Metric] = {
    "kid": Metric(kid, larger_is_better=False),
    "frechet_distance": Metric(frechet_distance, larger_is_better=False),
    "precision": Metric(precision, larger_is_better=True),
    "recall": Metric(recall, larger_is_better=True),
    "density": Metric(density, larger_is_better=True),
    "coverage": Metric(coverage, larger_is_better=True),
    "spectrum_distance": Metric(spectrum_distance, larger_is_better=False, array="spectrum"),
    "color_distance": Metric(color_distance, larger_is_better=False, array="colors"),
    "layout_distance": Metric(layout_distance, larger_is_better=False, array="layout"),
}

AT_HOLDOUT = "@holdout"  # suffix of metrics that compare with the images of data.holdout
HOLDOUT_METRICS = tuple(f"{name}{AT_HOLDOUT}" for name in ("kid", "frechet_distance", "coverage"))

# Of results beside the held-out images that they should be; only a model that translates has them.
PAIR_METRICS: dict[str, Metric] = {
    "psnr": Metric(mean_score, larger_is_better=True, array="psnr"),
    "ssim": Metric(mean_score, larger_is_better=True, array="ssim"),
    "feature_distance": Metric(mean_score, larger_is_better=False, array="feature_distance"),
    "consistency": Metric(mean_score, larger_is_better=True, array="consistency"),
}


# The same of results for the sources of data.holdout.
HOLDOUT_PAIR_METRICS = tuple(f"{name}{AT_HOLDOUT}" for name in PAIR_METRICS)


def get_metric(name: str) -> Metric:
    """Returns the metric with a name in CATALOG or PAIR_METRICS, or with AT_HOLDOUT after it."""
    base = name.removesuffix(AT_HOLDOUT)
    return PAIR_METRICS.get(base) or CATALOG[base]
