"""Nights of retraining: whether a model that gets worse step by step is stopped."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.gate.described import Described
from benchmarks.gate.pictures import Split
from benchmarks.gate.verdicts import judge, places
from components.images.image_set import ImageSet
from components.metrics.frechet_distance import frechet_distance
from components.sample_evaluator import sources

NIGHTS = 30
STEP = 2  # gray levels of 256 that noise grows by each night


class Nights(NamedTuple):
    """What the gate did in all nights of one seed.

    Attributes:
        refused: numbers of the nights whose candidate was refused, from 1.
        frechet_distance: of the live model at the end to held-out images, in the space in which
            copies are searched, since trained networks have too many dimensions for it.
        first: that of the first model.
    """

    refused: list[int]
    frechet_distance: float
    first: float


def run(described: Described, parts: Split, seed: int, step: int) -> Iterator[Nights | None]:
    """Judges a candidate each night against the live model and the history.

    Each candidate draws real images of its own choice with noise of `step` levels more than the
    last; the first model is blessed without a baseline, as in night 0.

    Yields:
        None after each night but the last, and then the result.
    """
    rng = np.random.default_rng(seed)
    pool = np.concatenate([parts.aside, parts.other])
    fixed = {
        sources.TRAIN: described.real(parts.train),
        sources.REAL: described.real(parts.real),
        sources.NOISE: described.noise,
    }
    live: ImageSet | None = None
    earlier, refused, first = [], [], float("nan")
    for night in range(NIGHTS + 1):
        rows = rng.permutation(pool)[: len(parts.real)]
        level = step * night
        candidate = described.take([(f"noisy {level}" if level else "real", rows)])
        images = fixed | {sources.CANDIDATE: candidate}
        if live:
            images[sources.BASELINE] = live
        judged = judge(images, described.pictures.options, earlier)
        if judged.verdict.blessed or not live:
            live = candidate
            earlier.append(places(judged.results[sources.CANDIDATE]))
        else:
            refused.append(night)
        if night == 0:
            first = _distance(fixed[sources.REAL], live)
        if night < NIGHTS:
            yield None
    yield Nights(refused, _distance(fixed[sources.REAL], live), first)


def _distance(real: ImageSet, generated: ImageSet) -> float:
    return frechet_distance(real.views[:, 0], generated.views[:, 0])
