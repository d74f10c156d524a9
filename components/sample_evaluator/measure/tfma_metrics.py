"""The metrics of sample quality as TFMA metrics.

TFMA's models are the sources of images: each is compared with the source `real`, or with `holdout`
if the metric's name says so. Of a model that translates pairs, `holdout` is compared with the
results for its own sources: `candidate@holdout`, for example. The features of all images are
gathered once and sorted by their keys, so that bundling does not change a result; all metrics are
then derived from them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.images.features import ImageFeatures
from components.metrics import AT_HOLDOUT, get_metric
from components.metrics.arrays import MetricError
from components.metrics.fidelity_and_diversity import FidelityAndDiversity, fidelity_and_diversity
from components.metrics.jackknife import change, leave_out, worsening
from components.metrics.kid import kid_over_subsets
from components.metrics.memorization import memorization_of, spread_of
from components.metrics.pair_scores import feature_distances
from components.metrics.threads import blas_threads
from components.sample_evaluator import sources
from components.sample_evaluator.measure.image_sets import GatherFeatures, ImageSet
from components.sample_evaluator.measure.results import tfma_name
from components.sample_evaluator.options import is_of_pairs
from components.sample_evaluator.places import widen
from trainer.common.progress import Report, phase, report

METRICS = "metrics"  # the phase
IMAGE = "image"  # the key of the ImageFeatures in TFMA's extracts
MAX_SUBSET = 1000  # images of a subset that KID's standard deviation is taken over
# The leading underscore keeps it out of what TFMA writes.
_FEATURES = metric_types.MetricKey("_features")

_Sets = dict[str, ImageSet]  # by source


class SampleMetric(metric_types.Metric):
    """Numbers of one source that one function of FUNCTIONS computes together.

    If they cannot be computed, TFMA writes no number but the reason, as the field `unavailable`.
    """

    def __init__(
        self, name: str, function: str, others: list[str], metric: str, of_whole: bool
    ) -> None:
        """Describes the numbers.

        Args:
            name: of the first number.
            function: a key of FUNCTIONS.
            others: names of the other numbers.
            metric: a name that `get_metric` knows, or empty for a function that ignores it.
            of_whole: leave the slices by label out. TFMA does not say which slice it asks for:
                where it slices, the images of one have one label.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            name=name,
            function=function,
            others=others,
            metric=metric,
            of_whole=of_whole,
        )


metric_types.register_metric(SampleMetric)


def _computations(
    name: str, function: str, others: list[str], metric: str, of_whole: bool, model_name: str
) -> metric_types.MetricComputations:
    # example_weighted is None in the keys of thresholds that are listed beside the metrics.
    first = metric_types.MetricKey(name, model_name=model_name, example_weighted=None)
    keys = [first, *(first._replace(name=other) for other in others)]

    def compute(values: metric_types.MetricsDict) -> metric_types.MetricsDict:
        sets = values[_FEATURES]
        if of_whole and len({label for found in sets.values() for label in found.labels}) == 1:
            # A number, since TFMA takes one that is missing for a limit that is not kept.
            return dict.fromkeys(keys, math.nan)
        dimension = max((found.vectors.shape[1] for found in sets.values()), default=0)
        try:
            with phase(METRICS), blas_threads(dimension):
                results = FUNCTIONS[function](sets, model_name, metric)
        except MetricError as error:
            return {
                key._replace(name=tfma_name(key.name, "unavailable")): str(error) for key in keys
            }
        finally:
            report(Report(METRICS, done=1, unit=""))
        return {key: float(result) for key, result in zip(keys, results, strict=True)}

    return [
        metric_types.MetricComputation([_FEATURES], [_ReadImage()], _KeyedSets()),
        metric_types.DerivedMetricComputation(keys, compute),
    ]


def _value(sets: _Sets, source: str, metric: str) -> Sequence[float]:
    compared = get_metric(metric)
    real, generated = (_array(sets, name, metric) for name in (_reference(metric), source))
    return [compared.function(real, generated)]


def _fidelity_and_diversity(sets: _Sets, source: str, _: str) -> FidelityAndDiversity:
    return fidelity_and_diversity(_of(sets, sources.REAL).vectors, _of(sets, source).vectors)


def _kid_stddev(sets: _Sets, source: str, _: str) -> Sequence[float]:
    real, generated = _of(sets, sources.REAL).vectors, _of(sets, source).vectors
    # At most half of the rows: subsets of nearly all rows are all alike.
    size = min(MAX_SUBSET, len(real) // 2, len(generated) // 2)
    return [kid_over_subsets(real, generated, subset_size=size).stddev]


def _worsening(sets: _Sets, source: str, metric: str) -> Sequence[float]:
    compared = get_metric(metric)
    real, candidate, baseline = (
        _array(sets, name, metric) for name in (_reference(metric), source, sources.BASELINE)
    )
    found = worsening(compared, real, candidate, baseline)
    return found.proven, found.margin


def _place(sets: _Sets, source: str, metric: str) -> Sequence[float]:
    """Where a metric is between floor and noise, with what the choice of images explains."""
    compared = get_metric(metric)
    real, generated, floor, noise = (
        _array(sets, name, metric)
        for name in (_reference(metric), source, sources.TRAIN, sources.NOISE)
    )
    count = min(len(generated), len(floor))
    samples, at_floor = (leave_out(compared, real, each[:count]) for each in (generated, floor))
    found = change(compared, samples, at_floor)
    sign = -1 if compared.larger_is_better else 1
    span = sign * (compared.function(real, noise[:count]) - at_floor.whole)
    # Where noise is near, its own error decides and not the candidate's, or an erratic candidate
    # would have no place.
    if span <= found.margin:
        at_noise = leave_out(compared, real, noise[:count])
        if change(compared, at_noise, at_floor).proven <= 0:
            raise MetricError("noise cannot be told from training images")
    span = widen(metric, span)
    return found.proven / span, found.margin / span


def _memorization(sets: _Sets, source: str, _: str) -> Sequence[float]:
    held_out, generated = _of(sets, sources.REAL), _of(sets, source)
    found = memorization_of(
        held_out.distances, generated.distances, spread_of(held_out.searched), generated.mirrored
    )
    return found.share, found.distance_ratio, found.mirrored_share


def _counts(sets: _Sets, source: str, _: str) -> Sequence[float]:
    if source not in sets:
        return 0, 0, 0, 0
    found, held_out = sets[source], set(sets[sources.REAL].digests if sources.REAL in sets else ())
    equal = sum(digest in held_out for digest in found.digests)
    return len(found.vectors), found.flat, len(set(found.digests)), equal


# From the images of all sources, the source and a metric to numbers; they raise MetricError.
FUNCTIONS: dict[str, Callable[[_Sets, str, str], Sequence[float]]] = {
    "value": _value,
    "fidelity_and_diversity": _fidelity_and_diversity,
    "kid_stddev": _kid_stddev,
    "worsening": _worsening,
    "place": _place,
    "memorization": _memorization,
    "counts": _counts,
}


def _array(sets: _Sets, source: str, metric: str) -> np.ndarray:
    """What a metric compares of the images of a source, float [N, k]."""
    found, array = _of(sets, _compared(sets, source, metric)), get_metric(metric).array
    if not is_of_pairs(metric):
        return found.array(array)
    reference = _reference(metric)
    real = _of(sets, reference)
    if source == reference:  # results have scores beside these, which have none
        return real.vectors
    if not found.scores.psnr.size:
        raise MetricError(f"the images of {source} are no results for held-out images")
    if array == "feature_distance":
        # Results are sorted by their seeds, which follow the order of the held-out images.
        return feature_distances(real.vectors, found.vectors)[:, None]
    return getattr(found.scores, array)


def _reference(metric: str) -> str:
    """The source of real images that a metric compares with."""
    return sources.HOLDOUT if metric.endswith(AT_HOLDOUT) else sources.REAL


def _compared(sets: _Sets, source: str, metric: str) -> str:
    """The source of the images that a metric compares: results for data.holdout if there are any.

    What draws from no source has none, and its images are compared with any reference.
    """
    at_holdout = f"{source}{AT_HOLDOUT}"
    return at_holdout if metric.endswith(AT_HOLDOUT) and at_holdout in sets else source


def _of(sets: _Sets, source: str) -> ImageSet:
    if source not in sets:
        raise MetricError(f"there are no images of {source}")
    return sets[source]


class _ReadImage(metric_types.Preprocessor):
    """An extract that `analysis.Analyze` made to its ImageFeatures."""

    def process(self, extracts: dict[str, Any]) -> Iterator[ImageFeatures]:
        yield extracts[IMAGE]


class _KeyedSets(GatherFeatures):
    """GatherFeatures with the result under the key that TFMA expects."""

    def extract_output(self, accumulator: dict[str, Any]) -> metric_types.MetricsDict:
        return {_FEATURES: super().extract_output(accumulator)}
