"""Super-resolution by 4, beside bicubic enlargement and a regression with the same network.

The peer is what a person would try in Keras: the same U-Net from the enlarged source to the image,
trained with a squared loss for the same wall-clock time, with the same optimizer, batches and
average of the weights. Ours is trained both ways, `condition` and `map`. All are compared with
held-out images: PSNR and SSIM of each result, KID and the Frechet distance of all, in
`random_conv`.

A whole run takes over three hours. BENCHMARK_SECONDS, BENCHMARK_SEEDS and BENCHMARK_TASKS change
it (benchmarks/settings.py); the tasks are names of benchmarks/datasets.py.
"""

from collections.abc import Callable, Iterator
from statistics import mean, stdev

import numpy as np

from benchmarks import datasets, settings
from benchmarks.measure import Figure
from benchmarks.translators import Translate, reduce, train
from components.features import load_extractor
from components.features.options import FeatureOptions
from components.metrics.frechet_distance import frechet_distance
from components.metrics.kid import kid
from components.metrics.pairs.scores import pixel_diversity, psnr
from components.sample_evaluator.measure.pairs import ssim
from data.errors import DataError

TASKS = {
    "fashion_mnist": datasets.FASHION_NETWORK,
    "emoji32": datasets.EMOJI_NETWORK | {"prediction": "difference"},  # the same for all methods
}
SECONDS, SEEDS = 600, 3
HELD_OUT, ANSWERED, ANSWERS = 1000, 100, 8
OURS, MAPPED, PEER, BICUBIC = "condition", "map", "regression", "bicubic"
MAX_BEHIND = 1.5  # dB of PSNR behind the regression

_Row = dict[str, float]


def figures() -> Iterator[Figure]:
    """Trains all of them, seed by seed; yields the means over the seeds."""
    seconds, seeds = settings.seconds(SECONDS), settings.seeds(SEEDS)
    if seconds < SECONDS or seeds < SEEDS:
        print(f"  shortened to {seconds:g} of {SECONDS} s and {seeds} of {SEEDS} seeds", flush=True)
    for task in settings.chosen(TASKS):
        try:
            images, held_out = datasets.load(task)
        except DataError as error:
            print(f"  {task} skipped: {error}", flush=True)
            continue
        found = _compare(task, images, held_out[:HELD_OUT], seconds, seeds)
        yield from _figures(task, found, whole=seconds >= SECONDS and seeds >= SEEDS)


def _compare(
    task: str, images: np.ndarray, held_out: np.ndarray, seconds: float, seeds: int
) -> dict[str, list[_Row]]:
    """What was measured of each method, by its name, a row for each seed."""
    judge, sources = _judge(held_out), reduce(held_out)
    found = {BICUBIC: [judge(sources)]}
    floor = judge(images[: len(held_out)])  # which are no results: its PSNR and SSIM say nothing
    _print(f"{task}, training images", {name: floor[name] for name in ("kid", "frechet_distance")})
    _print(f"{task}, {BICUBIC}", found[BICUBIC][0])
    for seed in range(seeds):
        for name in (OURS, MAPPED, PEER):
            translate, steps = train(name, TASKS[task], images, seconds, seed)
            row = judge(translate(sources, 0))
            if name == OURS:
                row |= _several(translate, held_out[:ANSWERED], sources[:ANSWERED])
            found.setdefault(name, []).append(row)
            _print(f"{task}, {name}, seed {seed}", {"steps": steps, **row})
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


def _several(translate: Translate, images: np.ndarray, sources: np.ndarray) -> _Row:
    """How several answers to each source differ, agree with it, and what their mean is worth."""
    answers = np.stack([translate(sources, (1 + i) * HELD_OUT) for i in range(ANSWERS)], axis=1)
    again = [psnr(sources, reduce(answers[:, i])).mean() for i in range(ANSWERS)]
    average = answers.mean(axis=1).round().astype(np.uint8)
    return {
        "diversity, gray levels": pixel_diversity(answers),
        "consistency": float(np.mean(again)),
        "psnr of single answers": float(psnr(images, answers[:, 0]).mean()),
        "psnr of mean answers": float(psnr(images, average).mean()),
    }


def _figures(task: str, found: dict[str, list[_Row]], *, whole: bool) -> Iterator[Figure]:
    means = {name: {k: mean(r[k] for r in rows) for k in rows[0]} for name, rows in found.items()}
    for name, rows in found.items():
        for metric, value in means[name].items():
            spread = f" ± {stdev(r[metric] for r in rows):.2g}" if len(rows) > 1 else ""
            bar, reached = _bar(metric, means) if whole and name == OURS else ("", None)
            yield Figure(f"{task}: {metric}, {name}{spread}", value, "", bar, reached)


def _bar(metric: str, means: dict[str, _Row]) -> tuple[str, bool | None]:
    """What `condition` has to reach, in words, and whether it does."""
    ours, bicubic, peer = (means[name].get(metric, 0.0) for name in (OURS, BICUBIC, PEER))
    match metric:
        case "psnr":
            return "> bicubic", ours > max(bicubic, peer - MAX_BEHIND)
        case "ssim":
            return "> bicubic", ours > bicubic
        case "kid" | "frechet_distance":
            return "< both", ours < min(bicubic, peer)
    return "", None
