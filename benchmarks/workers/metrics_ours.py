"""Benchmarks our metrics: `metrics_ours.py FOLDER`, with real.npy and generated.npy in it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from serve import serve

from components.metrics.fidelity_and_diversity import fidelity_and_diversity
from components.metrics.frechet_distance import frechet_distance
from components.metrics.kid import kid_over_subsets

REAL, GENERATED = (np.load(Path(sys.argv[1], f"{name}.npy")) for name in ("real", "generated"))


def timed(function: Callable) -> Callable[[], float]:
    """Makes a function without arguments that returns the seconds of the metric."""

    def measure() -> float:
        started = time.monotonic()
        function(REAL, GENERATED)
        return time.monotonic() - started

    return measure


serve(
    {
        "frechet_distance": timed(frechet_distance),
        "kid_over_subsets": timed(kid_over_subsets),
        "precision_and_recall": timed(fidelity_and_diversity),
    }
)
