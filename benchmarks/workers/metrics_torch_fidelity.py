"""Benchmarks a peer, torch-fidelity: `metrics_torch_fidelity.py FOLDER`, arguments as of ours.

Runs in the environment of `make parity`. Like ours, it takes features and extracts none.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from serve import THREADS, serve
from torch_fidelity import metric_fid, metric_kid, metric_prc

torch.set_num_threads(THREADS)
REAL, GENERATED = (
    torch.from_numpy(np.load(Path(sys.argv[1], f"{name}.npy"))) for name in ("real", "generated")
)


def frechet_distance(real: torch.Tensor, generated: torch.Tensor) -> None:
    """Computes the distance from features."""
    moments = [metric_fid.fid_features_to_statistics(features) for features in (real, generated)]
    metric_fid.fid_statistics_to_metric(*moments, verbose=False)


def kid_over_subsets(real: torch.Tensor, generated: torch.Tensor) -> None:
    """Computes KID with its defaults, 100 subsets of 1,000."""
    metric_kid.kid_features_to_metric(real, generated, verbose=False)


def precision_and_recall(real: torch.Tensor, generated: torch.Tensor) -> None:
    """Computes precision and recall with our number of neighbors."""
    metric_prc.prc_features_to_metric(generated, real, prc_neighborhood=5, verbose=False)


def timed(function: Callable) -> Callable[[], float]:
    """Makes a function without arguments that returns the seconds of the metric."""

    def measure() -> float:
        started = time.monotonic()
        function(REAL, GENERATED)
        return time.monotonic() - started

    return measure


serve({f.__name__: timed(f) for f in (frechet_distance, kid_over_subsets, precision_and_recall)})
