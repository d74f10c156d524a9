"""Images from sources, beside the sources themselves and a regression with the same network.

Sources are images reduced by 4 and enlarged again, bicubic, so that the model learns to enlarge; or
flat emoji, of which it draws those in 3D. The peer is what a person would try in Keras: the same
U-Net from source to image, trained by Adam with a squared loss for the same processor time, with
the same batches, learning rate and average of the weights. Ours is trained both ways, `condition`
and `map`, and answers with 8 evaluations of the network and, nearer to a mean, with 4. All are
compared with held-out images: PSNR and SSIM of each result, KID and the Frechet distance of all.

On one core (`taskset -c 0`) the seconds are those of a clock as well. A whole run takes over three
hours, half of it if each task has a core of its own. BENCHMARK_SECONDS, BENCHMARK_SEEDS and
BENCHMARK_TASKS (those of TASKS) change it (benchmarks/settings.py). What an interrupted run has
measured is not measured again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import datasets, settings, translators
from benchmarks.datasets import Pairs
from benchmarks.judging import TRAINED
from benchmarks.measure import RESULTS, Figure
from benchmarks.rows import Rows, code_hash
from benchmarks.translators import FEW, MANY, Translate
from components.features import load_extractor
from components.features.options import FeatureOptions
from components.metrics.frechet_distance import frechet_distance
from components.metrics.kid import kid
from components.metrics.pair_scores import pixel_diversity, psnr
from components.sample_evaluator.measure.pairs import ssim
from data.errors import DataError
from trainer.source.degrade import degrade
from trainer.source.options import parse

DEGRADATION = parse("downscale 4")
CHUNK = 1000  # images that are degraded at a time
SECONDS, SEEDS = 480, 3
HELD_OUT, ANSWERED, ANSWERS = 1000, 100, 8
CONDITION, MAP, REGRESSION, SOURCE = "condition", "map", "regression", "source"
OF_FEW = ", 4 evaluations"  # added to a name
MAX_BEHIND = 1.5  # dB of PSNR behind the regression
RANDOM = FeatureOptions(name="random_conv")

_Row = dict[str, float]


@dataclass(frozen=True)
class Task:
    """What to learn.

    Attributes:
        load: loads train and held-out pairs.
        network: the same for all methods.
        degrade: how sources are derived from images; None if they are pictures of their own.
    """

    load: Callable[[], tuple[Pairs, Pairs]]
    network: dict[str, Any]
    degrade: Callable[[np.ndarray], np.ndarray] | None


def reduce(images: np.ndarray) -> np.ndarray:
    """The sources of images, uint8 [N, H, W, C]: reduced and enlarged again, both bicubic."""
    chunks = (images[i : i + CHUNK] for i in range(0, len(images), CHUNK))
    return np.concatenate([degrade(tf.constant(chunk), DEGRADATION).numpy() for chunk in chunks])


def _load_reduced() -> tuple[Pairs, Pairs]:
    train_images, held_out = datasets.load("fashion_mnist")
    return Pairs(reduce(train_images), train_images), Pairs(reduce(held_out), held_out)


# Half of the preset's width: hundreds of steps in eight minutes of one CPU core.
_EMOJI_NETWORK = datasets.EMOJI_NETWORK | {
    "prediction": "difference",
    "channels": (32, 64),
    "blocks": 2,
    "time_embedding": "add",
}
TASKS = {
    "fashion_mnist": Task(_load_reduced, datasets.FASHION_NETWORK, reduce),
    "flat_to_3d": Task(partial(datasets.load_flat_to_3d, 32), _EMOJI_NETWORK, None),
}


def figures() -> Iterator[Figure]:
    """Trains all of them, seed by seed; yields the means over the seeds."""
    seconds, seeds = settings.seconds(SECONDS), settings.seeds(SEEDS)
    if seconds < SECONDS or seeds < SEEDS:
        print(f"  shortened to {seconds:g} of {SECONDS} s and {seeds} of {SEEDS} seeds", flush=True)
    for name in settings.chosen(TASKS):
        try:
            found = _compare(name, TASKS[name], seconds, seeds)
        except DataError as error:
            print(f"  {name} skipped: {error}", flush=True)
            continue
        yield from _figures(name, found, whole=seconds >= SECONDS and seeds >= SEEDS)


def _compare(about: str, task: Task, seconds: float, seeds: int) -> dict[str, list[_Row]]:
    """What was measured of each method, by its name, a row for each seed."""
    pairs, held_out = task.load()
    sources, images = (part[:HELD_OUT] for part in held_out)
    judge = _judge(images)
    found = {SOURCE: [judge(sources)]}
    # Training images are no results: their PSNR and SSIM say nothing.
    floor = judge(pairs.images[: len(images)])
    _print(f"{about}, training images", {k: v for k, v in floor.items() if _is_of_sets(k)})
    _print(f"{about}, {SOURCE}", found[SOURCE][0])
    rows = Rows(RESULTS / f"translation_{about}.jsonl")
    setting = {"seconds": seconds, "metrics": list(floor), "code": _code()}
    for seed in range(seeds):
        for name in (CONDITION, MAP, REGRESSION):
            key = {"method": name, "network": task.network, "seed": seed} | setting
            measured = rows.find(key)
            if measured is None:
                translate, steps = translators.train(name, task.network, pairs, seconds, seed)
                measured = {name: {"steps": steps} | judge(translate(sources, 0, MANY))}
                if name == CONDITION:
                    part = images[:ANSWERED], sources[:ANSWERED]
                    measured[name] |= _several(translate, *part, task)
                if name != REGRESSION:
                    measured[name + OF_FEW] = judge(translate(sources, 0, FEW))
                rows.add(key, measured)
            for method, row in measured.items():
                found.setdefault(method, []).append(row)
                _print(f"{about}, {method}, seed {seed}", row)
    return found


def _code() -> str:
    return code_hash(Path(__file__), Path(translators.__file__))


def _print(about: str, row: _Row) -> None:
    numbers = " · ".join(f"{name} {value:,.4g}" for name, value in row.items())
    print(f"  {about}: {numbers}", flush=True)


def _judge(held_out: np.ndarray) -> Callable[[np.ndarray], _Row]:
    """Compares results with their images, in two feature spaces."""
    extract, trained = load_extractor(RANDOM), load_extractor(TRAINED)
    real, trained_real = extract(held_out), trained(held_out)

    def judge(results: np.ndarray) -> _Row:
        vectors = extract(results)
        return {
            "psnr": float(psnr(held_out, results).mean()),
            "ssim": float(ssim(held_out, results).mean()),
            "kid": kid(real, vectors),
            "frechet_distance": frechet_distance(real, vectors),
            f"kid, {TRAINED.name}": kid(trained_real, trained(results)),
        }

    return judge


def _is_of_sets(metric: str) -> bool:
    """Whether a metric compares sets of images, not each result with its image."""
    return metric.startswith(("kid", "frechet_distance"))


def _several(translate: Translate, images: np.ndarray, sources: np.ndarray, task: Task) -> _Row:
    """How several answers to each source differ, agree with it, and what their mean is worth."""
    each = [translate(sources, (1 + i) * HELD_OUT, MANY) for i in range(ANSWERS)]
    answers = np.stack(each, axis=1)
    average = answers.mean(axis=1).round().astype(np.uint8)
    row = {
        "diversity, gray levels": pixel_diversity(answers),
        "psnr of single answers": float(psnr(images, answers[:, 0]).mean()),
        "psnr of mean answers": float(psnr(images, average).mean()),
    }
    if task.degrade:
        again = [psnr(sources, task.degrade(answers[:, i])).mean() for i in range(ANSWERS)]
        row["consistency"] = float(np.mean(again))
    return row


def _figures(task: str, found: dict[str, list[_Row]], *, whole: bool) -> Iterator[Figure]:
    means = {name: {k: mean(r[k] for r in rows) for k in rows[0]} for name, rows in found.items()}
    for name, rows in found.items():
        for metric, value in means[name].items():
            spread = f" ± {stdev(r[metric] for r in rows):.2g}" if len(rows) > 1 else ""
            judged = whole and name not in (SOURCE, REGRESSION)
            bar, reached = _bar(metric, name, means) if judged else ("", None)
            yield Figure(f"{task}: {metric}, {name}{spread}", value, "", bar, reached)


def _bar(metric: str, name: str, means: dict[str, _Row]) -> tuple[str, bool | None]:
    """What ours have to reach, in words, and whether they do."""
    ours, source, peer = (means[method].get(metric, 0.0) for method in (name, SOURCE, REGRESSION))
    if metric == "psnr":
        return f"> source, regression - {MAX_BEHIND}", ours > max(source, peer - MAX_BEHIND)
    if metric == "ssim":
        return "> source", ours > source
    if _is_of_sets(metric):
        return "< source, regression", ours < min(source, peer)
    return "", None
