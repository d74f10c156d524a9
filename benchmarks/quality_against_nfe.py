"""Quality against cost: every solver and grid at the same numbers of network evaluations (NFE).

Uses the weights from time_to_quality. Measures the distance of the samples from the solution of the
ODE (RK4, 512 NFE), as root mean square in [-1, 1], and the KID against held-out images, in pixels.
A preset needs the fewest NFE whose KID is within one standard deviation of Euler's with 128 steps.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import datasets
from benchmarks.alternating import Worker
from benchmarks.measure import RESULTS, Figure
from components.features.pixels import pixels
from components.metrics.kid import kid
from trainer import preprocessing
from trainer.ode.methods import GRIDS, SOLVERS

# Network, and number of samples for each cell of the table.
DATA = {"digits": (datasets.DIGITS_NETWORK, 512), "fashion_mnist": (datasets.FASHION_NETWORK, 256)}
COSTS = (2, 4, 8, 16, 32, 64, 128)
HELD_OUT, BATCH = 2048, 128
SUBSETS = 40  # random halves of the samples, for the standard deviation


def figures() -> Iterator[Figure]:
    """Prints a table for each dataset with weights; the figures are the fewest NFE."""
    for name, (network, count) in DATA.items():
        weights = RESULTS / f"{name}.weights.h5"
        if weights.exists():
            yield from _figures_of(name, network, count, weights)
        else:
            print(f"  no {weights.name}: run `python -m benchmarks time_to_quality` first")


def _figures_of(name: str, network: dict, count: int, weights: Path) -> Iterator[Figure]:
    _, held_out = datasets.load(name)
    real = pixels(held_out[:HELD_OUT])
    worker = Worker("ours.py", json.dumps(network))
    worker.ask("load", weights=str(weights))
    exact = _draw(worker, count, "rk4", "uniform", 512)
    baseline = _draw(worker, count, "euler", "uniform", 128)
    euler, spread = kid(real, _features(baseline)), _spread(real, baseline)
    print(f"  {name}: KID of euler, uniform, 128 NFE: {euler:.5f} ± {spread:.5f}")
    print(f"  {'solver':<10}{'grid':<10}" + "".join(f"{cost:>20} NFE" for cost in COSTS))
    enough: list[tuple[int, str]] = []
    for solver in ("euler", "midpoint", "heun", "rk4"):
        for grid in GRIDS:
            cells = []
            for cost in COSTS:
                if cost < SOLVERS[solver].nfe_per_step:
                    cells.append("-")
                    continue
                images = _draw(worker, count, solver, grid, cost)
                distance = float(np.sqrt(np.mean((images - exact) ** 2)))
                value = kid(real, _features(images))
                cells.append(f"{distance:.4f} / {value:.5f}")
                if value <= euler + spread:
                    enough.append((cost, f"{solver}, {grid}"))
            print(f"  {solver:<10}{grid:<10}" + "".join(f"{c:>24}" for c in cells), flush=True)
    worker.close()
    fewest = min(cost for cost, _ in enough)
    best = "; ".join(sorted(label for cost, label in enough if cost == fewest))
    yield Figure(f"{name}: fewest NFE as good as 128 of euler ({best})", fewest, "NFE")


def _draw(worker: Worker, count: int, solver: str, grid: str, cost: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "samples.npy")
        worker.ask(
            "draw",
            path=path,
            count=count,
            batch_size=BATCH,
            solver=solver,
            grid=grid,
            nb_step=cost // SOLVERS[solver].nfe_per_step,
        )
        return np.load(path)


def _features(images: np.ndarray) -> np.ndarray:
    return pixels(preprocessing.to_uint8(images).numpy())


def _spread(real: np.ndarray, images: np.ndarray) -> float:
    """Estimates the standard deviation of KID over draws of this many samples.

    Halves of a set, drawn without replacement, vary as much as whole sets.
    """
    generator = np.random.default_rng(0)
    features = _features(images)
    values = [
        kid(real, features[generator.permutation(len(features))[: len(features) // 2]])
        for _ in range(SUBSETS)
    ]
    return float(np.std(values))
