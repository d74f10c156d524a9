"""The gate's verdict on images, without sampling and files.

What decides is measured and judged by the functions of an evaluation, in about a second.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.features import Extractor
from components.features.options import SEARCH_SPACE, FeatureOptions
from components.images.described import shared_extractor
from components.images.image_set import Images, ImageSet, describe, join, row_blocks
from components.metrics.kinds import MAX_TRAINING, Kinds
from components.sample_evaluator import sources
from components.sample_evaluator.measure.kinds import find_kinds
from components.sample_evaluator.measure.metrics import kid_stddev, measure, plan
from components.sample_evaluator.measure.nearest import find_nearest
from components.sample_evaluator.measure.results import Results, SourceResult
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.samples.draw import draw_noise
from components.sample_evaluator.verdict import gate

BATCH = 256  # images that are described at a time
_SEARCHED = (sources.REAL, sources.CANDIDATE, sources.BASELINE)


class Judged(NamedTuple):
    """A verdict, and the numbers behind it."""

    verdict: gate.ModelVerdict
    results: Results
    kinds: Kinds


def describe_pixels(
    features: FeatureOptions, pixels: np.ndarray, labels: Sequence[str] | None = None
) -> ImageSet:
    """Computes what the metrics read of images uint8 [N, H, W, C], with keys in their order.

    Args:
        features: the feature space.
        pixels: the images.
        labels: the class of each image; None for none.
    """
    keys = [number.to_bytes(8, "big") for number in range(len(pixels))]
    images = Images(keys, labels if labels is not None else [""] * len(pixels), pixels)
    extractors = _extractor(features), _extractor(SEARCH_SPACE)
    return join(describe(part, *extractors) for _, part in row_blocks(images, BATCH))


def describe_noise(features: FeatureOptions, count: int, shape: tuple[int, int, int]) -> ImageSet:
    """Describes the noise that an evaluation draws from its first seeds.

    As there, no copies are searched among it.
    """
    extract = _extractor(features)
    return join(describe(part, extract) for part in draw_noise([""] * count, 0, BATCH, shape))


@functools.lru_cache(maxsize=4)
def _extractor(features: FeatureOptions) -> Extractor:
    """Kept, because loading and compiling a feature space takes longer than describing images."""
    return shared_extractor(features)


def judge(
    images: Mapping[str, ImageSet],
    options: EvaluateOptions,
    earlier: Sequence[Mapping[str, float]] = (),
) -> Judged:
    """Judges a candidate.

    Args:
        images: what `describe_pixels` returned, by source. Those of TRAIN are all training images;
            of the others, among them NOISE, there are equally many.
        options: of the evaluation.
        earlier: the places of the models blessed before, by metric with the error on top.
    """
    sets = dict(images)
    # Stored images are in the order of their digests, as in an evaluation.
    order = np.argsort(sets[sources.TRAIN].digests, kind="stable")
    training = sets[sources.TRAIN].take(order)
    searched = {name: sets[name] for name in _SEARCHED if name in sets}
    in_search_space = dataclasses.replace(training, vectors=training.views[:, 0])
    sets |= find_nearest(searched, [in_search_space])
    sets[sources.TRAIN] = training.take(slice(len(sets[sources.REAL])))
    measurements = [
        each
        for each in plan(options, sets)
        if each.function is not kid_stddev and each.source != sources.NOISE  # which are only shown
    ]
    results = measure(sets, measurements)
    known = training.take(slice(MAX_TRAINING))
    kinds = find_kinds(known, sets[sources.REAL], sets[sources.CANDIDATE]).kinds
    before = [{"places": places} for places in earlier]
    return Judged(gate.judge(gate.Measured(results, options, kinds, before)), results, kinds)


def places(found: SourceResult) -> dict[str, float]:
    """The places of a model, by metric with the error on top, as the history keeps them."""
    return {
        name: metric.place + metric.place_margin
        for name, metric in found.metrics.items()
        if metric.place is not None
    }
