"""Time to quality: our trainer, the official loop and a strong loop, trained for the same time.

Ours trains beside one rival at a time, each on half of the cores, which they swap with every seed:
a slow phase of the machine affects both, and neither gets a core that the other leaves idle. So
ours is trained once for each rival, and is compared with the rival beside it. All three at once
would share two cores by the scheduler's choice.

A short trial, with the rival also running, estimates how many steps ours can take; the rival stops
when ours finishes. The time starts with building the network; while the strong loop compiles and
chooses its mode, it has not started. All draw the same number of samples at the same NFE.

A whole run takes over four hours. BENCHMARK_TASKS, BENCHMARK_SECONDS and BENCHMARK_SEEDS shorten it
(benchmarks/settings.py), and what an interrupted run has measured is not measured again.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import datasets, settings
from benchmarks.alternating import PEER_PYTHON, Worker
from benchmarks.judging import Judge
from benchmarks.measure import RESULTS, BenchmarkError, Figure
from benchmarks.rows import Rows, code_hash
from data.errors import DataError
from trainer import preprocessing
from trainer.ode.methods import GRIDS
from trainer.options import TrainOptions

SEEDS, NFE, TRIAL_STEPS, MIN_STEPS = 3, 32, 60, 10
HELD_OUT = 2048  # at most
SAFETY = 0.97  # factor on the estimated number of steps
BARS = {"official": 2.0, "strong": 1.0}  # times our distance above the floor, at least
CHOICE = {"steps": 3, "rounds": 3}  # of the trial in which the strong loop chooses its mode
ROWS = RESULTS / "time_to_quality.jsonl"


@dataclass(frozen=True)
class Task:
    """What to learn and for how long.

    Attributes:
        name: of the task and, unless `data` is set, of the data, as in datasets.load.
        network: ours.
        seconds: approximate time of training.
        samples: number of samples; at most as many as training images.
        options: of TrainOptions, as the preset has them, except for the number of steps.
        peer_network: of the rivals; by default the same.
        batch_size: of all.
        grid: of our midpoint steps and of those of the strong loop.
        data: name of the data, if that of the task is another one.
    """

    name: str
    network: dict
    seconds: float
    samples: int
    options: dict[str, Any] = field(default_factory=dict)
    peer_network: dict | None = None
    batch_size: int = 64
    grid: str = "late"
    data: str | None = None


# Of images of 32x32 without a configuration and a GPU, as in the preset emoji32.
CPU_DEFAULTS = {
    "options": {"precision": "auto", "ema": {"half_life": 50_000}, "flip": True},
    "batch_size": 32,
    "grid": "uniform",
}
TASKS = {
    task.name: task
    for task in (
        Task("digits", datasets.DIGITS_NETWORK, 120, 2048),
        Task("fashion_mnist", datasets.FASHION_NETWORK, 600, 2048, {"flip": True}),
        Task(
            "fashion_mnist_default",
            datasets.CPU_NETWORK | {"image_channels": 1},
            seconds=600,
            samples=2048,
            peer_network=datasets.CPU_PEER_NETWORK | {"image_channels": 1},
            data="fashion_mnist",
            **CPU_DEFAULTS,
        ),
        Task(
            "emoji32",
            datasets.EMOJI_NETWORK,
            seconds=1800,
            samples=1024,
            peer_network=datasets.CPU_PEER_NETWORK | {"image_channels": 3},
            **CPU_DEFAULTS,
        ),
    )
}


def figures() -> Iterator[Figure]:
    """Trains ours beside each rival, seed by seed, on each available dataset.

    Saves our weights of the last seed as benchmarks/results/<task>.weights.h5.
    """
    for name in settings.chosen(TASKS):
        task = TASKS[name]
        try:
            images = datasets.load(task.data or name)
        except DataError as error:
            print(f"  {name} skipped: {error}", flush=True)
            continue
        yield from _figures_of(task, *images)


def _figures_of(task: Task, train: np.ndarray, held_out: np.ndarray) -> Iterator[Figure]:
    seconds, seeds = settings.seconds(task.seconds), settings.seeds(SEEDS)
    whole = seconds >= task.seconds and seeds >= SEEDS
    if not whole:
        print(
            f"  {task.name} shortened to {seconds:g} of {task.seconds:g} s and {seeds} of {SEEDS} "
            "seeds: no bars",
            flush=True,
        )
    task = replace(task, seconds=seconds, samples=min(task.samples, len(train)))
    judge = Judge(train, held_out[:HELD_OUT], task.samples)
    rows, setting = Rows(ROWS), {"metrics": list(judge.floor), "code": code_hash()}
    about = f"{task.name}, {seconds / 60:.3g} min x {seeds}"
    for name, value in judge.floor.items():
        yield Figure(f"{about}: {name}, floor", value, "")
    for rival, bar in BARS.items():
        pairs = []
        for seed in range(seeds):
            key = asdict(task) | {"rival": rival, "seed": seed} | setting
            pair = rows.find(key)
            if pair is None:
                pair = _measure(task, rival, seed, train, judge)
                rows.add(key, pair)
            else:
                print(f"  from {ROWS.name}:")
            for side, row in pair.items():
                numbers = " · ".join(f"{k} {v:,.4g}" for k, v in row.items())
                print(f"  {task.name} seed {seed} {side:<9} {numbers}", flush=True)
            pairs.append(pair)
        yield from _compare(f"{about}, {rival}", rival, pairs, judge, bar if whole else None)


def _compare(
    about: str, rival: str, pairs: list[dict], judge: Judge, bar: float | None
) -> Iterator[Figure]:
    """The means over the seeds: seconds, distances above the floor, and the ratio of these."""
    for side in ("ours", rival):
        yield Figure(f"{about}: training, {side}", mean(p[side]["seconds"] for p in pairs), "s")
    for name in judge.floor:
        ours, theirs = (mean(pair[side][name] for pair in pairs) for side in ("ours", rival))
        yield Figure(f"{about}: {name}, ours", ours, "")
        yield Figure(f"{about}: {name}, {rival}", theirs, "")
        ratio = theirs / ours if ours > 0 else float("inf")  # at the floor
        more = ("", None) if bar is None else (f"at least {bar:g}", ratio >= bar)
        yield Figure(f"{about}: {name}, ratio", ratio, "times", *more)


def _measure(
    task: Task, rival: str, seed: int, train: np.ndarray, judge: Judge
) -> dict[str, dict[str, float]]:
    """Trains ours beside a rival; returns seconds, steps and distances of each."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "train.npy", train)
        results = _train_both(task, rival, seed, folder)
        for side, result in results.items():
            samples = preprocessing.to_uint8(np.load(folder / f"{side}.npy")).numpy()
            result |= judge.above_floor(samples)
        RESULTS.mkdir(exist_ok=True)
        shutil.copy(folder / "ema.weights.h5", RESULTS / f"{task.name}.weights.h5")
    return results


def _train_both(task: Task, rival: str, seed: int, folder: Path) -> dict[str, dict[str, float]]:
    cores = sorted(os.sched_getaffinity(0))
    halves = [cores[::2], cores[1::2]]
    if not halves[1]:
        raise RuntimeError("time_to_quality needs two cores")
    ours = Worker("ours.py", json.dumps(task.network), cores=halves[seed % 2])
    peer = Worker(
        f"{rival}.py",
        json.dumps(task.peer_network or task.network),
        python=PEER_PYTHON,
        cores=halves[1 - seed % 2],
    )
    if ours.ask("parameters") > peer.ask("parameters"):
        raise RuntimeError(f"{task.name}: our network has more weights than the rival's")
    pair = _Pair(ours, peer, rival, task, seed, folder)
    with ThreadPoolExecutor() as pool:
        steps = pair.steps_that_fit(pool)
        results = pair.train(steps, pool)
        drawing = [pool.submit(pair.draw_ours), pool.submit(pair.draw_peer)]
        for future in drawing:
            future.result()
    for worker in (ours, peer):
        worker.close()
    return results


@dataclass(frozen=True)
class _Pair:
    """Ours and a rival, which train at the same time."""

    ours: Worker
    peer: Worker
    rival: str
    task: Task
    seed: int
    folder: Path

    def steps_that_fit(self, pool: ThreadPoolExecutor) -> int:
        """Estimates how many steps ours can take.

        Raises:
            BenchmarkError: it can take next to none.
        """
        choosing = None
        if self.rival == "strong":
            choosing = pool.submit(self.peer.ask, "choose", options=self._options(1), **CHOICE)
        startup = self._fit_ours(2)["seconds"]
        batch_size = self.task.batch_size
        self.ours.ask("train", batch_size=batch_size, steps=3)  # compiles
        if choosing:
            modes = " · ".join(f"{mode} {rate:.1f}" for mode, rate in choosing.result().items())
            print(f"  {self.task.name} seed {self.seed} strong, images/s: {modes}", flush=True)
        busy, tried = self._start_peer(pool, "tried")
        try:
            trial = self.ours.ask("train", batch_size=batch_size, steps=TRIAL_STEPS)
        finally:
            tried.touch()
        busy.result()
        steps = int(SAFETY * TRIAL_STEPS / trial * (self.task.seconds - startup))
        if steps < MIN_STEPS:
            raise BenchmarkError(
                f"{self.task.name}: {self.task.seconds:g} s are too short, for ours takes "
                f"{startup:.0f} s to start; set BENCHMARK_SECONDS to more"
            )
        return steps

    def train(self, steps: int, pool: ThreadPoolExecutor) -> dict[str, dict[str, float]]:
        """Trains both; returns their seconds and steps."""
        running, finished = self._start_peer(pool, "finished")
        try:
            result = self._fit_ours(steps)
        finally:
            finished.touch()
        return {"ours": result, self.rival: running.result()}

    def draw_ours(self) -> None:
        """Writes FOLDER/ours.npy."""
        self.ours.ask(
            "draw",
            path=str(self.folder / "ours.npy"),
            count=self.task.samples,
            batch_size=256,
            solver="midpoint",
            grid=self.task.grid,
            nb_step=NFE // 2,
        )

    def draw_peer(self) -> None:
        """Writes FOLDER/<rival>.npy."""
        if self.rival == "strong":
            uniform = np.linspace(0, 1, NFE // 2 + 1, dtype=np.float32)
            steps = {"alphas": GRIDS[self.task.grid](uniform).tolist()}
        else:
            steps = {"nb_step": NFE}
        path = str(self.folder / f"{self.rival}.npy")
        self.peer.ask("draw", path=path, count=self.task.samples, batch_size=256, **steps)

    def _options(self, steps: int) -> dict[str, Any]:
        options = {"batch_size": self.task.batch_size, "steps": steps, "seed": self.seed}
        options |= self.task.options
        return TrainOptions.model_validate(options).model_dump(mode="json")

    def _fit_ours(self, steps: int) -> dict[str, float]:
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        return self.ours.ask(
            "fit",
            images=str(self.folder / "train.npy"),
            options=self._options(steps),
            folder=str(self.folder),
        )

    def _start_peer(self, pool: ThreadPoolExecutor, name: str) -> tuple[Future, Path]:
        """Starts a training that ends when the returned file exists."""
        until = self.folder / name
        arguments = {
            "images": str(self.folder / "train.npy"),
            "options": self._options(1),
            "until": str(until),
        }
        if self.rival == "strong":
            arguments["seconds"] = self.task.seconds  # at which its learning rate reaches zero
        return pool.submit(self.peer.ask, "fit", **arguments), until
