"""Time to quality: our trainer and the official loop, the same network, for the same time.

Ours trains as many steps as fit into the time, by a short trial before; the official loop then
trains for as long as ours took, from the building of the network on. Both draw the same number of
samples at the same NFE, compared with the same held-out images in pixels.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks import datasets
from benchmarks.alternating import PEER_PYTHON, Worker
from benchmarks.measure import RESULTS, Figure
from components.sample_evaluator.features.pixels import pixels
from components.sample_evaluator.metrics import METRICS
from trainer import preprocessing

SEEDS, NFE, TRIAL_STEPS, BATCH = 3, 32, 60, 64
OURS = {"solver": "midpoint", "grid": "late", "nb_step": NFE // 2}


@dataclass(frozen=True)
class Task:
    """What is learned, and for how long.

    Attributes:
        name: of the data, as in datasets.load.
        network: of both sides.
        seconds: of training.
        samples: compared with at most as many held-out images.
        flip: whether images are mirrored at random.
    """

    name: str
    network: dict
    seconds: float
    samples: int
    flip: bool


TASKS = (
    Task("digits", datasets.DIGITS_NETWORK, seconds=120, samples=2000, flip=False),
    Task("fashion_mnist", datasets.FASHION_NETWORK, seconds=600, samples=2048, flip=True),
)


def figures() -> Iterator[Figure]:
    """Trains both sides in turn, seed by seed.

    Our weights of the last seed are kept, as benchmarks/results/<data>.weights.h5.
    """
    for task in TASKS:
        measured: dict[str, list[dict[str, float]]] = {"ours": [], "official": []}
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            train, held_out = datasets.load(task.name, os.environ.get("FASHION_MNIST"))
            np.save(folder / "train.npy", train)
            real = pixels(held_out[: task.samples])
            for seed in range(SEEDS):
                ours = _train_ours(task, seed, folder)
                measured["ours"].append(ours | _judge(folder / "ours.npy", real))
                official = _train_official(task, seed, folder, ours["seconds"])
                measured["official"].append(official | _judge(folder / "official.npy", real))
                for side, rows in measured.items():
                    numbers = " · ".join(f"{k} {v:,.4g}" for k, v in rows[-1].items())
                    print(f"  {task.name} seed {seed} {side:<9} {numbers}", flush=True)
            shutil.copy(folder / "ema.weights.h5", RESULTS / f"{task.name}.weights.h5")
        minutes = f"{task.name}, {task.seconds / 60:.0f} minutes"
        for metric in METRICS:
            means = {side: mean(row[metric] for row in rows) for side, rows in measured.items()}
            for side, value in means.items():
                yield Figure(f"{minutes}: {metric}, {side}", value, "")
            ahead = means["ours"] < means["official"]
            gap = means["official"] - means["ours"]
            yield Figure(f"{minutes}: {metric}, official less ours", gap, "", "above 0", ahead)


def _train_ours(task: Task, seed: int, folder: Path) -> dict[str, float]:
    worker = Worker("ours.py", json.dumps(task.network))
    # As the preset digits trains, but for the number of steps.
    options = {"batch_size": BATCH, "learning_rate": 1e-3, "flip": task.flip, "seed": seed}

    def fit(**more: int) -> dict[str, float]:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        images = str(folder / "train.npy")
        return worker.ask("fit", images=images, options=options | more, folder=str(folder))

    startup = fit(steps=2, warmup_steps=1)["seconds"]
    worker.ask("train", batch_size=BATCH, steps=3)  # compiles
    rate = TRIAL_STEPS / worker.ask("train", batch_size=BATCH, steps=TRIAL_STEPS)
    result = fit(steps=int(rate * (task.seconds - startup)))
    path = str(folder / "ours.npy")
    worker.ask("draw", path=path, count=task.samples, batch_size=256, **OURS)
    worker.close()
    return result


def _train_official(task: Task, seed: int, folder: Path, seconds: float) -> dict[str, float]:
    worker = Worker("official.py", json.dumps(task.network), "0", python=PEER_PYTHON)
    images = str(folder / "train.npy")
    result = worker.ask(
        "fit", images=images, batch_size=BATCH, flip=task.flip, seconds=seconds, seed=seed
    )
    path = str(folder / "official.npy")
    worker.ask("draw", path=path, count=task.samples, batch_size=256, nb_step=NFE)
    worker.close()
    return result


def _judge(samples: Path, real: np.ndarray) -> dict[str, float]:
    generated = pixels(preprocessing.to_uint8(np.load(samples)).numpy())
    return {name: metric(real, generated) for name, metric in METRICS.items()}
