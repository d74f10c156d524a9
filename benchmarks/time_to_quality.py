"""Time to quality: our trainer and the official loop train the same network for the same time.

Both train simultaneously on half of the cores each, which they swap with every seed. A short trial,
with the peer also running, estimates how many steps ours can take; the peer stops when ours
finishes. The time starts with building the network. Both draw the same number of samples at the
same NFE, which are compared with the same held-out images in pixels.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks import datasets
from benchmarks.alternating import PEER_PYTHON, Worker
from benchmarks.measure import RESULTS, Figure
from components.features.pixels import pixels
from components.metrics import CATALOG
from data.errors import DataError
from trainer import preprocessing

SEEDS, NFE, TRIAL_STEPS, BATCH = 3, 32, 60, 64
SAFETY = 0.97  # factor on the estimated number of steps
METRICS = ("kid", "frechet_distance")
OURS = {"solver": "midpoint", "grid": "late", "nb_step": NFE // 2}


@dataclass(frozen=True)
class Task:
    """What to learn and for how long.

    Attributes:
        name: name of the data, as in datasets.load.
        network: network of both sides.
        seconds: approximate time of training.
        samples: number of samples, and maximum number of held-out images.
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
    """Trains both sides, seed by seed, on each available dataset.

    Saves our weights of the last seed as benchmarks/results/<data>.weights.h5.
    """
    for task in TASKS:
        try:
            images = datasets.load(task.name)
        except DataError as error:
            print(f"  {task.name} skipped: {error}")
            continue
        yield from _figures_of(task, *images)


def _figures_of(task: Task, train: np.ndarray, held_out: np.ndarray) -> Iterator[Figure]:
    measured: dict[str, list[dict[str, float]]] = {"ours": [], "official": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "train.npy", train)
        real = pixels(held_out[: task.samples])
        for seed in range(SEEDS):
            for side, result in _train_both(task, seed, folder).items():
                measured[side].append(result | _judge(folder / f"{side}.npy", real))
            for side, rows in measured.items():
                numbers = " · ".join(f"{k} {v:,.4g}" for k, v in rows[-1].items())
                print(f"  {task.name} seed {seed} {side:<9} {numbers}", flush=True)
        shutil.copy(folder / "ema.weights.h5", RESULTS / f"{task.name}.weights.h5")
    minutes = f"{task.name}, {task.seconds / 60:.0f} minutes"
    for side, rows in measured.items():
        yield Figure(f"{minutes}: training, {side}", mean(row["seconds"] for row in rows), "s")
    for metric in METRICS:
        means = {side: mean(row[metric] for row in rows) for side, rows in measured.items()}
        for side, value in means.items():
            yield Figure(f"{minutes}: {metric}, {side}", value, "")
        ahead = means["ours"] < means["official"]
        gap = means["official"] - means["ours"]
        yield Figure(f"{minutes}: {metric}, official minus ours", gap, "", "above 0", ahead)


def _train_both(task: Task, seed: int, folder: Path) -> dict[str, dict[str, float]]:
    cores = sorted(os.sched_getaffinity(0))
    halves = [cores[::2], cores[1::2]]
    if not halves[1]:
        raise RuntimeError("time_to_quality needs two cores")
    network = json.dumps(task.network)
    ours = Worker("ours.py", network, cores=halves[seed % 2])
    official = Worker("official.py", network, "0", python=PEER_PYTHON, cores=halves[1 - seed % 2])
    finished = folder / "finished"
    finished.unlink(missing_ok=True)
    with ThreadPoolExecutor() as pool:
        steps = _steps_that_fit(ours, official, task, seed, folder, pool)
        running = {
            "ours": pool.submit(_run_ours, ours, task, seed, folder, steps, finished),
            "official": pool.submit(_run_official, official, task, seed, folder, finished),
        }
        results = {side: future.result() for side, future in running.items()}
    for worker in (ours, official):
        worker.close()
    return results


def _options(task: Task, seed: int, **more: int) -> dict:
    """Returns the options of the preset digits, except for the number of steps."""
    return {"batch_size": BATCH, "learning_rate": 1e-3, "flip": task.flip, "seed": seed, **more}


def _steps_that_fit(
    ours: Worker, official: Worker, task: Task, seed: int, folder: Path, pool: ThreadPoolExecutor
) -> int:
    few = _options(task, seed, steps=2, warmup_steps=1)
    startup = _fit(ours, few, folder)["seconds"]
    ours.ask("train", batch_size=BATCH, steps=3)  # compiles
    busy = pool.submit(official.ask, "train", batch_size=BATCH, steps=TRIAL_STEPS)
    rate = TRIAL_STEPS / ours.ask("train", batch_size=BATCH, steps=TRIAL_STEPS)
    busy.result()
    return int(SAFETY * rate * (task.seconds - startup))


def _fit(ours: Worker, options: dict, folder: Path) -> dict[str, float]:
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return ours.ask("fit", images=str(folder / "train.npy"), options=options, folder=str(folder))


def _run_ours(
    ours: Worker, task: Task, seed: int, folder: Path, steps: int, finished: Path
) -> dict[str, float]:
    try:
        result = _fit(ours, _options(task, seed, steps=steps), folder)
    finally:
        finished.touch()
    path = str(folder / "ours.npy")
    ours.ask("draw", path=path, count=task.samples, batch_size=256, **OURS)
    return result


def _run_official(
    official: Worker, task: Task, seed: int, folder: Path, finished: Path
) -> dict[str, float]:
    result = official.ask(
        "fit",
        images=str(folder / "train.npy"),
        batch_size=BATCH,
        flip=task.flip,
        until=str(finished),
        seed=seed,
    )
    path = str(folder / "official.npy")
    official.ask("draw", path=path, count=task.samples, batch_size=256, nb_step=NFE)
    return result


def _judge(samples: Path, real: np.ndarray) -> dict[str, float]:
    generated = pixels(preprocessing.to_uint8(np.load(samples)).numpy())
    return {name: CATALOG[name].function(real, generated) for name in METRICS}
