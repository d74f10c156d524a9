"""Metrics of sample quality: ours and torch-fidelity's, in turn on the same features.

The features resemble the rectified outputs of a network: 10,000 rows of 2,048 numbers in float32.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.alternating import PEER_PYTHON, Worker, alternate
from benchmarks.measure import Figure

ROWS, DIMENSION, ROUNDS = 10_000, 2_048, 3
NAMES = {  # by function of the workers
    "frechet_distance": "Frechet distance",
    "kid_over_subsets": "KID, 100 subsets of 1,000",
    "precision_and_recall": "precision, recall (ours: + density, coverage)",
}


def figures() -> Iterator[Figure]:
    """Measures both sides."""
    with tempfile.TemporaryDirectory() as folder:
        for name, seed in (("real", 0), ("generated", 1)):
            np.save(Path(folder, f"{name}.npy"), make_features(seed))
        workers = {
            "ours": Worker("metrics_ours.py", folder),
            "torch-fidelity": Worker("metrics_torch_fidelity.py", folder, python=PEER_PYTHON),
        }
        for do, name in NAMES.items():
            seconds = alternate(workers, ROUNDS, do)
            for side, value in seconds.items():
                yield Figure(f"{name}: {side}", value, "s")
            ratio = seconds["torch-fidelity"] / seconds["ours"]
            yield Figure(f"{name}: speed-up", ratio, "times", "at least 1.0", ratio >= 1)
        for worker in workers.values():
            worker.close()


def make_features(seed: int) -> np.ndarray:
    """Makes correlated features, about half of them zero, float32 [ROWS, DIMENSION]."""
    mixing = np.random.default_rng(2).standard_normal((DIMENSION // 8, DIMENSION), np.float32)
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((ROWS, len(mixing)), np.float32) @ mixing / len(mixing) ** 0.5
    noise = rng.standard_normal((ROWS, DIMENSION), np.float32)
    return np.maximum(hidden + 0.5 * noise, 0)
