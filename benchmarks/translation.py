"""Images from sources, beside the sources themselves and a regression with the same network.

Sources are images reduced by 4 and enlarged again, bicubic, so that the model learns to enlarge; or
flat emoji, of which it draws those in 3D. The peer is what a person would try in Keras: the same
U-Net from source to image, trained with a squared loss for the same wall-clock time, with the same
optimizer, batches and average of the weights. Ours is trained both ways, `condition` and `map`. All
are compared with held-out images: PSNR and SSIM of each result, KID and the Frechet distance of
all, in `random_conv`.

A whole run takes over four and a half hours. BENCHMARK_SECONDS, BENCHMARK_SEEDS and BENCHMARK_TASKS
(those of TASKS) change it (benchmarks/settings.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import mean, stdev
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import datasets, settings
from benchmarks.datasets import Pairs
from benchmarks.measure import Figure
from benchmarks.translators import Translate, train
from components.features import load_extractor
from components.features.options import FeatureOptions
from components.metrics.frechet_distance import frechet_distance
from components.metrics.kid import kid
from components.metrics.pairs.scores import pixel_diversity, psnr
from components.sample_evaluator.measure.pairs import ssim
from data.errors import DataError
from trainer.source.degrade import degrade
from trainer.source.options import parse

DEGRADATION = parse("downscale 4")
CHUNK = 1000  # images that are degraded at a time
SECONDS, SEEDS = 600, 3
HELD_OUT, ANSWERED, ANSWERS = 1000, 100, 8
OURS, MAPPED, PEER, SOURCE = "condition", "map", "regression", "source"
MAX_BEHIND = 1.5  # dB of PSNR behind the regression

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


def _load_reduced(name: str) -> tuple[Pairs, Pairs]:
    train_images, held_out = datasets.load(name)
    return Pairs(reduce(train_images), train_images), Pairs(reduce(held_out), held_out)


_EMOJI_NETWORK = datasets.EMOJI_NETWORK | {"prediction": "difference"}
TASKS = {
    "fashion_mnist": Task(
        partial(_load_reduced, "fashion_mnist"), datasets.FASHION_NETWORK, reduce
    ),
    "emoji32": Task(partial(_load_reduced, "emoji32"), _EMOJI_NETWORK, reduce),
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
    _print(f"{about}, training images", {k: floor[k] for k in ("kid", "frechet_distance")})
    _print(f"{about}, {SOURCE}", found[SOURCE][0])
    for seed in range(seeds):
        for name in (OURS, MAPPED, PEER):
            translate, steps = train(name, task.network, pairs, seconds, seed)
            row = judge(translate(sources, 0))
            if name == OURS:
                row |= _several(translate, images[:ANSWERED], sources[:ANSWERED], task)
            found.setdefault(name, []).append(row)
            _print(f"{about}, {name}, seed {seed}", {"steps": steps, **row})
    return found


def _print(about: str, row: _Row) -> None:
    numbers = " · ".join(f"{name} {value:,.4g}" for name, value in row.items())
    print(f"  {about}: {numbers}", flush=True)


def _judge(held_out: np.ndarray) -> Callable[[np.ndarray], _Row]:
    extract = load_extractor(FeatureOptions(name="random_conv"))
    real = extract(held_out)

    def judge(results: np.ndarray) -> _Row:
        vectors = extract(results)
        return {
            "psnr": float(psnr(held_out, results).mean()),
            "ssim": float(ssim(held_out, results).mean()),
            "kid": kid(real, vectors),
            "frechet_distance": frechet_distance(real, vectors),
        }

    return judge


def _several(translate: Translate, images: np.ndarray, sources: np.ndarray, task: Task) -> _Row:
    """How several answers to each source differ, agree with it, and what their mean is worth."""
    answers = np.stack([translate(sources, (1 + i) * HELD_OUT) for i in range(ANSWERS)], axis=1)
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
            bar, reached = _bar(metric, means) if whole and name == OURS else ("", None)
            yield Figure(f"{task}: {metric}, {name}{spread}", value, "", bar, reached)


def _bar(metric: str, means: dict[str, _Row]) -> tuple[str, bool | None]:
    """What `condition` has to reach, in words, and whether it does."""
    ours, source, peer = (means[name].get(metric, 0.0) for name in (OURS, SOURCE, PEER))
    match metric:
        case "psnr":
            return "> source", ours > max(source, peer - MAX_BEHIND)
        case "ssim":
            return "> source", ours > source
        case "kid" | "frechet_distance":
            return "< both", ours < min(source, peer)
    return "", None
