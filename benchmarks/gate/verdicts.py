"""The gate's verdict on images, without sampling, files and Beam's workers.

TFMA's computations are run in this process on the features of the images, those alone that decide,
and judged by TFMA's validation and the gate: so what decides is the real thing, in about a second.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2

from components.features.options import FeatureOptions
from components.images.batches import ImageBatch
from components.images.features import ExtractFeatures, ImageFeatures
from components.metrics import CATALOG
from components.metrics.kinds import MAX_TRAINING, Kinds
from components.metrics.neighbors import nearest
from components.sample_evaluator import sources
from components.sample_evaluator.measure import results
from components.sample_evaluator.measure.analysis import make_extracts
from components.sample_evaluator.measure.eval_config import make_eval_config
from components.sample_evaluator.measure.image_sets import GatherFeatures, ImageSet
from components.sample_evaluator.measure.kinds import find_kinds
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.samples.draw import draw_noise
from components.sample_evaluator.verdict import gate, history

BATCH = 256  # images that are described at a time
_SEARCHED = (sources.REAL, sources.CANDIDATE, sources.BASELINE)


class Judged(NamedTuple):
    """A verdict, and the numbers behind it."""

    verdict: gate.ModelVerdict
    results: results.Results
    kinds: Kinds


def describe(
    features: FeatureOptions,
    images: np.ndarray,
    labels: Sequence[str] | None = None,
    *,
    searched: bool = True,
) -> list[ImageFeatures]:
    """Computes what the metrics read of images uint8 [N, H, W, C].

    Args:
        features: the feature space.
        images: the images.
        labels: the class of each image; None for none.
        searched: whether copies are searched among or beside them. The views for it take most of
            the time.
    """
    found: list[ImageFeatures] = []
    extract = _extractor(features, searched)
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        named = [""] * len(part) if labels is None else list(labels[start : start + BATCH])
        found += extract.process(ImageBatch("", [b""] * len(part), named, part))
    return found


@functools.lru_cache(maxsize=4)
def _extractor(features: FeatureOptions, searched: bool) -> ExtractFeatures:
    """Kept, because loading and compiling a feature space takes longer than describing images."""
    extract = ExtractFeatures(features, searched=[""] if searched else [])
    extract.setup()
    return extract


def describe_noise(
    features: FeatureOptions, count: int, shape: tuple[int, int, int]
) -> list[ImageFeatures]:
    """Describes the noise that an evaluation draws from its first seeds.

    As there, no copies are searched among it.
    """
    batch = draw_noise((list(range(count)), [""] * count), sources.NOISE, shape)
    return describe(features, batch.images, searched=False)


def judge(
    images: Mapping[str, Sequence[ImageFeatures]],
    options: EvaluateOptions,
    earlier: Sequence[Mapping[str, float]] = (),
) -> Judged:
    """Judges a candidate.

    Args:
        images: what `describe` returned, by source. Those of TRAIN are all training images; of the
            others, among them NOISE, there are equally many.
        options: of the evaluation.
        earlier: the places of the models blessed before, by metric with the error on top.
    """
    placed = {source: list(_placed(source, images)) for source in images}
    count = len(images[sources.REAL])
    compared = [image for found in placed.values() for image in found[:count]]
    config = make_eval_config(options, baseline=sources.BASELINE in images, by_label=False)
    metrics = _compute(config, compared, options)
    values: dict[str, dict[str, Any]] = {source: {} for source in images}
    for key, value in metrics.items():
        if key.model_name in values:
            values[key.model_name][key.name] = value
    found = {source: results.parse(numbers) for source, numbers in values.items()}
    known = placed[sources.TRAIN][:MAX_TRAINING]
    searched = [*known, *placed[sources.REAL], *placed[sources.CANDIDATE]]
    kinds = find_kinds(_gather(searched)).kinds
    verdict = gate.judge(
        found,
        metrics_validator.validate_metrics(((), metrics), config),
        options,
        kinds=kinds,
        best=history.best_places([{"places": places} for places in earlier]),
    )
    return Judged(verdict, found, kinds)


def places(found: results.SourceResult) -> dict[str, float]:
    """The places of a model, by metric with the error on top, as the history keeps them."""
    return {
        name: metric.place + metric.place_margin
        for name, metric in found.metrics.items()
        if metric.place is not None
    }


def _placed(source: str, images: Mapping[str, Sequence[ImageFeatures]]) -> Iterator[ImageFeatures]:
    """The images of a source with keys and, if copies are searched among them, distances.

    Stored images are in the order of their digests, as in an evaluation, and drawn ones in that of
    their seeds.
    """
    ordered = images[source]
    if source == sources.TRAIN:
        ordered = sorted(ordered, key=lambda image: image.digest)
    found = [
        image._replace(source=source, key=i.to_bytes(8, "big")) for i, image in enumerate(ordered)
    ]
    if source not in _SEARCHED:
        yield from found
        return
    known = np.stack([image.views[0] for image in images[sources.TRAIN]])
    *unmirrored, mirrored = (
        nearest(np.stack([image.views[view] for image in found]), known).distances
        for view in range(len(found[0].views))
    )
    for image, distance, other in zip(found, np.min(unmirrored, axis=0), mirrored, strict=True):
        yield image._replace(distance=float(min(distance, other)), mirrored=bool(other < distance))


def _compute(
    config: config_pb2.EvalConfig, images: list[ImageFeatures], options: EvaluateOptions
) -> metric_types.MetricsDict:
    metrics: metric_types.MetricsDict = {}
    for computation in metric_specs.to_computations(config.metrics_specs, config):
        if isinstance(computation, metric_types.DerivedMetricComputation):
            if not _is_only_shown(computation, options):
                metrics |= computation.result(metrics)
        elif computation.keys[0] not in metrics:
            metrics |= _combine(computation, images)
    return metrics


def _is_only_shown(
    computation: metric_types.DerivedMetricComputation, options: EvaluateOptions
) -> bool:
    """Whether the gate ignores what is computed."""
    shown = CATALOG.keys() - options.judged.keys() - {"coverage"}
    shown |= {results.tfma_name("kid", "stddev")}
    return all(
        key.name in shown or (key.model_name == sources.NOISE and key.name in CATALOG)
        for key in computation.keys
    )


def _combine(
    computation: metric_types.MetricComputation, images: list[ImageFeatures]
) -> metric_types.MetricsDict:
    [preprocessor], combiner = computation.preprocessors, computation.combiner
    accumulator = combiner.create_accumulator()
    extracts = map(make_extracts, images)
    for element in itertools.chain.from_iterable(map(preprocessor.process, extracts)):
        accumulator = combiner.add_input(accumulator, element)
    return combiner.extract_output(accumulator)


def _gather(images: list[ImageFeatures]) -> dict[str, ImageSet]:
    gather = GatherFeatures()
    accumulator = gather.create_accumulator()
    for image in images:
        accumulator = gather.add_input(accumulator, image)
    return gather.extract_output(accumulator)
