"""What each ingredient of a training is worth in equal processor time, on small emoji.

The configuration is that of the preset emoji32. Each variant changes one key of it, and is trained
for as many steps as fit in the same seconds of processor time, on one core, which a short trial
estimates; so the machine may be busy. Starting and compiling are not counted. The learning rate
decays to zero in every training.

A whole run takes about 80 minutes of one core. BENCHMARK_SECONDS, BENCHMARK_SEEDS and
BENCHMARK_TASKS change it (benchmarks/settings.py); the tasks are the names of the variants. What an
interrupted run has measured is not measured again.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks import datasets, settings
from benchmarks.alternating import Worker
from benchmarks.judging import Judge
from benchmarks.measure import RESULTS, Figure
from benchmarks.rows import Rows, code_hash
from data.errors import DataError
from trainer import preprocessing
from trainer.options import TrainOptions

DATA = "emoji16"
SECONDS, SEEDS = 60, 3  # of processor time, for each training
SAMPLES, NFE, TRIAL_STEPS = 1024, 32, 30
ROWS = RESULTS / "ingredients.jsonl"

NETWORK = datasets.EMOJI_NETWORK | {"side": datasets.EMOJI[DATA]}
OPTIONS = {
    "batch_size": 32,
    "precision": "auto",  # without bfloat16, the same as train.precision=float32
    "ema": {"half_life": 50_000},
    "flip": True,
    "grid_every": 1_000_000,  # no samples while it trains
}


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # changes of network and options
    "as in the preset": ({}, {}),
    "model.patch=1": ({"patch": 1}, {}),
    "model.prediction=difference": ({"prediction": "difference"}, {}),
    "model.time_embedding=add": ({"time_embedding": "add"}, {}),
    "model.blocks=2": ({"blocks": 2}, {}),
    "model.dropout=0.1": ({"dropout": 0.1}, {}),
    "train.batch_size=64": ({}, {"batch_size": 64}),
    "train.precision=float32": ({}, {"precision": "float32"}),
    "train.flip=false": ({}, {"flip": False}),
    "train.augment=0.15": ({}, {"augment": 0.15}),
    "train.optimizer=adam": ({}, {"optimizer": "adam"}),
    "train.ema.half_life=500": ({}, {"ema": {"half_life": 500}}),
    # In a short training the warm-up limits the half-life: a larger one has no effect without this.
    "train.ema.warmup=0.2": ({}, {"ema": OPTIONS["ema"] | {"warmup": 0.2}}),
}


def figures() -> Iterator[Figure]:
    """Trains all variants, seed by seed, and prints a table of their distances above the floor."""
    names = settings.chosen(VARIANTS)
    seconds, seeds = settings.seconds(SECONDS), settings.seeds(SEEDS)
    if seconds < SECONDS or seeds < SEEDS:
        print(f"  shortened to {seconds:g} of {SECONDS} s and {seeds} of {SEEDS} seeds", flush=True)
    try:
        train, held_out = datasets.load(DATA)
    except DataError as error:
        print(f"  skipped: {error}", flush=True)
        return
    judge = Judge(train, held_out, SAMPLES)
    rows = Rows(ROWS)
    setting = {"seconds": seconds, "metrics": list(judge.floor), "code": code_hash()}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in range(seeds):  # outermost: an interrupted run has compared all variants
        for name in names:
            network, options = setup(name, seed)
            key = {"network": network, "options": options} | setting
            row = rows.find(key)
            if row is None:
                row = _train(network, options, seconds, train, judge)
                rows.add(key, row)
            found[name].append(row)
            numbers = " · ".join(f"{k} {v:,.4g}" for k, v in row.items())
            print(f"  {name}, seed {seed}: {numbers}", flush=True)
    yield from _table(f"{DATA}, {seconds:g} CPU s, {seeds} seeds", found, judge)


def setup(name: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network of a variant, and its TrainOptions except for the number of steps."""
    network, options = VARIANTS[name]
    return NETWORK | network, OPTIONS | options | {"seed": seed}


def _train(
    network: dict[str, Any],
    options: dict[str, Any],
    seconds: float,
    train: np.ndarray,
    judge: Judge,
) -> dict[str, float]:
    """Trains one variant; returns its steps, its processor time and its distances."""
    core = min(os.sched_getaffinity(0))
    worker = Worker("ours.py", json.dumps(network), _validated(options, 1_000), cores=[core])
    batch_size = options["batch_size"]
    worker.ask("train", batch_size=batch_size, steps=3)  # compiles
    trial = worker.ask("train", batch_size=batch_size, steps=TRIAL_STEPS, clock="process_time")
    steps = max(2, int(seconds * TRIAL_STEPS / trial))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "train.npy", train)
        result = worker.ask(
            "fit",
            images=str(folder / "train.npy"),
            options=json.loads(_validated(options, steps)),
            folder=str(folder),
        )
        worker.ask(
            "draw",
            path=str(folder / "samples.npy"),
            count=SAMPLES,
            batch_size=256,
            solver="midpoint",
            grid="uniform",
            nb_step=NFE // 2,
        )
        worker.close()
        samples = preprocessing.to_uint8(np.load(folder / "samples.npy")).numpy()
    return result | judge.above_floor(samples)


def _validated(options: dict[str, Any], steps: int) -> str:
    return TrainOptions.model_validate(options | {"steps": steps}).model_dump_json()


def _table(about: str, found: dict[str, list[dict[str, float]]], judge: Judge) -> Iterator[Figure]:
    """Prints mean and standard deviation over the seeds; yields the means."""
    metrics = list(judge.floor)
    floors = ", ".join(f"{name} {value:,.4g}" for name, value in judge.floor.items())
    print(f"  {about}; above the floor of {floors}")
    print(f"  {'':<36}{'steps':>8}" + "".join(f"{name:>40}" for name in metrics))
    for name, rows in found.items():
        cells = []
        for metric in metrics:
            values = [row[metric] for row in rows]
            spread = stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{mean(values):.4g} ± {spread:.2g}")
        steps = mean(row["steps"] for row in rows)
        print(f"  {name:<36}{steps:>8,.0f}" + "".join(f"{cell:>40}" for cell in cells), flush=True)
    for metric in metrics:
        for name, rows in found.items():
            value = mean(row[metric] for row in rows)
            yield Figure(f"{about}: {metric} above the floor, {name}", value, "")
