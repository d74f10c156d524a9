"""Metrics of sample quality: pure functions of two feature arrays, smaller is better."""

from collections.abc import Callable

import numpy as np

from components.sample_evaluator.metrics.frechet_distance import frechet_distance
from components.sample_evaluator.metrics.kid import kid

# (real [N, d], generated [M, d]) to a float; raises MetricError
METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "kid": kid,
    "frechet_distance": frechet_distance,
}
