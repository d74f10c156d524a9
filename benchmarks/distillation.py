"""Quality against network evaluations (NFE) of students and of their teacher, in equal seconds.

A teacher is trained for two thirds of the seconds, and in the last third a student by mean flow,
which then takes 1, 2 or 4 steps. What it is compared with is a teacher that was trained for all of
the seconds, and that draws with Euler's method and with midpoint steps. Images are drawn from the
same seeds.

Then, images per second at equal quality: those of each student, and of the teacher with the fewest
evaluations that bring its KID within the student's spread over seeds. Exported samplers serve them
in turn. Their weights are untrained, since an evaluation takes the same time with any.

On one core each, so that the machine may be busy; the samplers have all. BENCHMARK_SECONDS,
BENCHMARK_SEEDS and BENCHMARK_TASKS (digits, fashion_mnist) change what is run
(benchmarks/settings.py), fewer seconds also the number of samples. What an interrupted run has
measured is not measured again, except for images per second.
"""

import json
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import numpy as np

from benchmarks import datasets, settings
from benchmarks.alternating import Worker
from benchmarks.judging import Judge
from benchmarks.measure import RESULTS, Figure
from benchmarks.rows import Rows, code_hash
from data.errors import DataError
from pipeline.distillation.options import DistillOptions
from trainer import preprocessing
from trainer.options import TrainOptions

SEEDS, BATCH, TRIAL_STEPS = 3, 64, 60
NFE = (1, 2, 4, 8, 16, 32)
STUDENTS = (4, 2, 1)  # NFE of a student
SHORTER = 2 / 3  # share of the seconds in which the teacher of a student is trained
STUDENT_STEP = 2  # time of a training step of a student, in those of its teacher
STUDENT = {"learning_rate": DistillOptions().learning_rate}
ROWS = RESULTS / "distillation.jsonl"
SOLVERS = {"euler": 1, "midpoint": 2}  # with the NFE of a step
MIN_SAMPLES = 64  # however much a run is shortened
SERVED, ROUNDS = 64, 10  # images of a request; requests to each sampler
TIMES_AS_FAST = 5  # at equal quality, the best of the students


@dataclass(frozen=True)
class Task:
    """What to learn.

    Attributes:
        network: of teacher and student.
        seconds: for both, the teacher and the student.
        samples: that are judged, by as many held-out images or all that there are.
    """

    network: dict[str, Any]
    seconds: float
    samples: int

    def within(self, seconds: float) -> "Task":
        """The task in other seconds, and if these are fewer with a like share of the samples."""
        share = min(1.0, seconds / self.seconds)
        return replace(self, seconds=seconds, samples=max(MIN_SAMPLES, int(share * self.samples)))


class Way(NamedTuple):
    """How images are drawn."""

    solver: str
    nfe: int


TASKS = {
    "digits": Task(datasets.DIGITS_NETWORK, 480, 1437),
    "fashion_mnist": Task(datasets.FASHION_NETWORK, 1200, 1024),
}


def figures() -> Iterator[Figure]:
    """Trains teachers and students, seed by seed, prints a table for each metric, and serves."""
    for name in settings.chosen(TASKS):
        seeds, of_whole = settings.seeds(SEEDS), TASKS[name].seconds
        task = TASKS[name].within(settings.seconds(of_whole))
        whole = task.seconds >= of_whole and seeds >= SEEDS
        if not whole:
            of_seconds = f"{task.seconds:g} of {of_whole:g} s"
            print(f"  {name} shortened to {of_seconds} and {seeds} of {SEEDS} seeds: no bars")
        try:
            train, held_out = datasets.load(name)
        except DataError as error:
            print(f"  {name} skipped: {error}", flush=True)
            continue
        judge = Judge(train, held_out[: task.samples], task.samples)
        rows, found, code = Rows(ROWS), [], code_hash(Path(__file__))
        for seed in range(seeds):
            key = {"task": name, "seconds": task.seconds, "seed": seed, "code": code}
            row = rows.find(key)
            if row is None:
                row = _measure(task, seed, train, judge)
                rows.add(key, row)
            found.append(row)
            print(f"  {name}, seed {seed}: {row['seconds']}", flush=True)
        about = f"{name}, {task.seconds:g} s x {seeds}"
        yield from _table(about, found, judge, whole)
        metric = next(metric for metric in judge.floor if metric.startswith("kid"))
        yield from _serve(about, task.network, found, metric, whole)


def _measure(task: Task, seed: int, train: np.ndarray, judge: Judge) -> dict[str, Any]:
    """Trains a teacher in all of the seconds, and another with its student in as many."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "train.npy", train)
        core = min(os.sched_getaffinity(0))
        worker = Worker("ours.py", json.dumps(task.network), cores=[core])
        worker.ask("train", batch_size=BATCH, steps=3)  # compiles
        step = worker.ask("train", batch_size=BATCH, steps=TRIAL_STEPS) / TRIAL_STEPS
        judged = (worker, folder, task.samples, judge)
        distances: dict[str, Any] = {}
        spent: dict[str, float] = {}
        for name, share in (("teacher", 1.0), ("shorter", SHORTER)):
            (folder / name).mkdir()
            options = _options(task.seconds * share / step, seed)
            fitted = worker.ask(
                "fit", images=str(folder / "train.npy"), options=options, folder=str(folder / name)
            )
            spent[name] = fitted["seconds"]
            evaluations = NFE if name == "teacher" else NFE[-1:]
            distances[name] = _distances(*judged, SOLVERS, evaluations)
        spent["student"] = worker.ask(
            "distill",
            options=_options(task.seconds * (1 - SHORTER) / step / STUDENT_STEP, seed) | STUDENT,
            records=str(folder / "shorter" / "train.gz"),
            folder=str(folder / "student"),
        )
        distances["student"] = _distances(*judged, ("euler",), STUDENTS)
        worker.close()
    return {"seconds": {k: round(v, 1) for k, v in spent.items()}, "distances": distances}


def _options(steps: float, seed: int) -> dict[str, Any]:
    given = {"steps": max(2, int(steps)), "seed": seed, "grid_every": 1_000_000}
    return json.loads(TrainOptions.model_validate(given).model_dump_json())


def _distances(
    worker: Worker,
    folder: Path,
    count: int,
    judge: Judge,
    chosen: Collection[str],
    evaluations: Collection[int],
) -> dict[str, dict[str, float]]:
    """The distances above the floor by "SOLVER NFE"."""
    found = {}
    for solver in chosen:
        for nfe in evaluations:
            if nfe < SOLVERS[solver]:
                continue
            path = str(folder / "samples.npy")
            how = {"solver": solver, "grid": "uniform", "nb_step": nfe // SOLVERS[solver]}
            worker.ask("draw", path=path, count=count, batch_size=256, **how)
            samples = preprocessing.to_uint8(np.load(path)).numpy()
            found[f"{solver} {nfe}"] = judge.above_floor(samples)
    return found


def _table(about: str, found: list[dict[str, Any]], judge: Judge, whole: bool) -> Iterator[Figure]:
    """Prints the mean and standard deviation over the seeds; yields those with bars."""
    for metric, floor in judge.floor.items():
        print(f"  {about}: {metric} above the floor of {floor:,.4g}")
        print(f"  {'':<10}{'solver':<10}" + "".join(f"{nfe:>16} NFE" for nfe in NFE))
        for name in ("teacher", "shorter", "student"):
            for solver in SOLVERS if name != "student" else ("euler",):
                cells = [_cell(_values(found, name, solver, nfe, metric)) for nfe in NFE]
                print(f"  {name:<10}{solver:<10}" + "".join(f"{c:>20}" for c in cells), flush=True)
        at = {
            (name, nfe): _values(found, name, "euler", nfe, metric)
            for name, evaluations in (("teacher", NFE), ("student", STUDENTS))
            for nfe in evaluations
        }
        teacher, noise = mean(at["teacher", 32]), _spread(at["teacher", 32])
        bars = {
            4: ("within the teacher's noise at 32", teacher + noise),
            2: ("twice the teacher's at 32", 2 * teacher),
            1: ("a fifth of the teacher's at 1", mean(at["teacher", 1]) / 5),
        }
        for nfe, (bar, limit) in bars.items():
            value = mean(at["student", nfe])
            judged = (bar, value <= limit) if whole else ("", None)
            yield Figure(f"{about}: {metric}, student, {nfe} NFE", value, "", *judged)


def _serve(
    about: str, network: dict[str, Any], found: list[dict[str, Any]], metric: str, whole: bool
) -> Iterator[Figure]:
    """Compares each student with the teacher that is as good, in images per second."""
    pairs = [(Way("euler", nfe), as_good(found, nfe, metric)) for nfe in STUDENTS]
    seconds = _time(network, {way for pair in pairs for way in pair})
    best = 0.0
    for student, teacher in pairs:
        for name, way in (("student", student), ("teacher", teacher)):
            rate = SERVED / median(seconds[way])
            yield Figure(f"{about}: {name}, {way.solver}, {way.nfe} NFE", rate, "images/s")
        rounds = zip(seconds[teacher], seconds[student], strict=True)
        ratio = median(before / after for before, after in rounds)
        yield Figure(f"{about}: student of {student.nfe} to a teacher as good", ratio, "times")
        best = max(best, ratio)
    judged = (f"at least {TIMES_AS_FAST}", best >= TIMES_AS_FAST) if whole else ("", None)
    yield Figure(f"{about}: best student to a teacher as good", best, "times", *judged)


def as_good(found: list[dict[str, Any]], nfe: int, metric: str) -> Way:
    """With what the teacher is as good as the student of `nfe`: the fewest evaluations.

    As good is a mean that is no larger than that of the student and its spread over seeds. If the
    teacher is not, the most evaluations that were measured. Of two solvers, the nearer one.
    """
    student = _values(found, "student", "euler", nfe, metric)
    limit = mean(student) + _spread(student)
    distances = {
        Way(solver, evaluations): mean(values)
        for solver in SOLVERS
        for evaluations in NFE
        if (values := _values(found, "teacher", solver, evaluations, metric))
    }
    enough = [way for way, distance in distances.items() if distance <= limit]
    enough = enough or [way for way in distances if way.nfe == max(NFE)]
    return min(enough, key=lambda way: (way.nfe, distances[way]))


def _time(network: dict[str, Any], ways: Collection[Way]) -> dict[Way, list[float]]:
    """Seconds of requests for SERVED images to exported samplers, which take turns."""
    seconds: dict[Way, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {way: f"{temporary}/{way.solver}-{way.nfe}" for way in ways}
        exporter = Worker("ours.py", json.dumps(network))
        for way, folder in folders.items():
            nb_step = way.nfe // SOLVERS[way.solver]
            exporter.ask("export", folder=folder, solver=way.solver, nb_step=nb_step)
        exporter.close()
        server = Worker("exported_sampler.py")
        for turn in range(ROUNDS + 1):
            for way, folder in folders.items():
                taken = server.ask("draw", folder=folder, images=SERVED)
                if turn:  # the first loads and warms up
                    seconds[way].append(taken)
        server.close()
    return seconds


def _values(
    found: list[dict[str, Any]], name: str, solver: str, nfe: int, metric: str
) -> list[float]:
    key = f"{solver} {nfe}"
    return [row["distances"][name][key][metric] for row in found if key in row["distances"][name]]


def _cell(values: list[float]) -> str:
    spread = f" ± {_spread(values):.2g}" if len(values) > 1 else ""
    return f"{mean(values):.4g}{spread}" if values else "-"


def _spread(values: list[float]) -> float:
    """The standard deviation over the seeds; 0 where there is one."""
    return stdev(values) if len(values) > 1 else 0.0
