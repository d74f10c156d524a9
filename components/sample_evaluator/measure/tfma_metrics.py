"""The metrics of sample quality as TFMA metrics.

TFMA's models are the sources of images: each is compared with the source `real`, and with `holdout`
where the metric's name says so. The features of
all images are gathered once and sorted by their keys, so that no bundling changes a result; every
metric is then derived from them, and the Frechet distance from the moments.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.metrics import AT_HOLDOUT, get_metric
from components.metrics.arrays import MetricError
from components.metrics.fidelity_and_diversity import FidelityAndDiversity, fidelity_and_diversity
from components.metrics.frechet_distance import frechet_distance_of
from components.metrics.kid import kid_over_subsets
from components.metrics.memorization import memorization_of, spread_of
from components.metrics.worsening import worsening
from components.sample_evaluator import sources
from components.sample_evaluator.measure.image_sets import GatherFeatures, ImageRecord, ImageSet
from components.sample_evaluator.measure.moments_fn import CombineMoments

# A leading underscore keeps what metrics are derived from out of what TFMA writes.
_FEATURES = metric_types.MetricKey("_features")
_MOMENTS = metric_types.MetricKey("_moments")
_FIDELITY_AND_DIVERSITY = "_fidelity_and_diversity"  # of each source

KID_STDDEV = "kid_stddev"
MAX_SUBSET = 1000  # images of a subset that KID's standard deviation is taken over
MEMORIZED_SHARE = "memorized_share"
DISTANCE_RATIO = "distance_ratio"
COUNT_NAMES = ("images", "flat_images", "distinct_images")
KEY, FLAT, DIGEST, DISTANCE, LABEL = "key", "flat", "digest", "distance", "label"


def unavailable_name(metric: str) -> str:
    """Names the TFMA metric that holds why `metric` could not be computed."""
    return f"{metric}_unavailable"


def worsening_name(metric: str) -> str:
    """Names the worsening of `metric` that no choice of seeds explains."""
    return f"{metric}_worsening"


def margin_name(metric: str) -> str:
    """Names what seeds alone make of a difference in `metric`."""
    return f"{metric}_margin"


class SampleMetric(metric_types.Metric):
    """A metric that `metrics.get_metric` knows.

    Where it cannot be computed, there is no value, but the reason: as the metric that
    `unavailable_name` names. The same holds of the metrics below.
    """

    def __init__(self, name: str) -> None:
        super().__init__(metric_util.merge_per_key_computations(_sample_metric), name=name)


class KidSpread(metric_types.Metric):
    """`KID_STDDEV`: the standard deviation of KID over random subsets."""

    def __init__(self, name: str = KID_STDDEV) -> None:
        super().__init__(metric_util.merge_per_key_computations(_kid_spread), name=name)


class WorseningMetric(metric_types.Metric):
    """By how much the metric `metric` is worse than the baseline's, beyond chance, and the margin.

    Its own name is that of `worsening_name`, as thresholds look for it.
    """

    def __init__(self, metric: str, name: str) -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_worsening), name=name, metric=metric
        )


class MemorizationMetric(metric_types.Metric):
    """`MEMORIZED_SHARE` and `DISTANCE_RATIO`: whether samples are copies of training images."""

    def __init__(self, name: str = MEMORIZED_SHARE) -> None:
        super().__init__(metric_util.merge_per_key_computations(_memorization), name=name)


class ImageCounts(metric_types.Metric):
    """`COUNT_NAMES`: the images of a source, those of a single color, and the different ones."""

    def __init__(self, name: str = "image_counts") -> None:
        super().__init__(metric_util.merge_per_key_computations(_image_counts), name=name)


for _metric in (SampleMetric, KidSpread, WorseningMetric, MemorizationMetric, ImageCounts):
    metric_types.register_metric(_metric)

# Values of one source, from the sets of all: one for each name.
_Derive = Callable[[dict[str, ImageSet], str], Sequence[float]]


def _sample_metric(name: str, model_name: str) -> metric_types.MetricComputations:
    metric, real = name.removesuffix(AT_HOLDOUT), _reference(name)
    if metric in FidelityAndDiversity._fields:
        return _one_of_four(name, metric, real, model_name)
    if metric != "frechet_distance":
        return _derived([name], model_name, functools.partial(_compare, name))
    key = metric_types.MetricKey(name, model_name=model_name)
    moments = metric_types.MetricComputation([_MOMENTS], [_ReadVector()], _KeyedMoments())
    return [
        moments,
        metric_types.DerivedMetricComputation(
            [key], functools.partial(_compare_moments, key, real)
        ),
    ]


def _one_of_four(
    name: str, metric: str, real: str, model_name: str
) -> metric_types.MetricComputations:
    """One of FidelityAndDiversity; TFMA computes the four once, since their key is the same."""
    all_four = metric_types.MetricKey(f"{_FIDELITY_AND_DIVERSITY}_{real}", model_name=model_name)
    key = metric_types.MetricKey(name, model_name=model_name)

    def compute(values: metric_types.MetricsDict) -> metric_types.MetricsDict:
        try:
            return {all_four: fidelity_and_diversity(*_both(values[_FEATURES], real, model_name))}
        except MetricError as error:
            return {all_four: error}

    def pick(values: metric_types.MetricsDict) -> metric_types.MetricsDict:
        found = values[all_four]
        if isinstance(found, MetricError):
            return {key._replace(name=unavailable_name(name)): str(found)}
        return {key: getattr(found, metric)}

    return [
        _gather_features(),
        metric_types.DerivedMetricComputation([all_four], compute),
        metric_types.DerivedMetricComputation([key], pick),
    ]


def _kid_spread(name: str, model_name: str) -> metric_types.MetricComputations:
    def derive(sets: dict[str, ImageSet], source: str) -> Sequence[float]:
        real, generated = _both(sets, sources.REAL, source)
        # Halves at most: subsets of nearly all rows are all alike.
        size = min(MAX_SUBSET, len(real) // 2, len(generated) // 2)
        return [kid_over_subsets(real, generated, subset_size=size).stddev]

    return _derived([name], model_name, derive)


def _worsening(metric: str, name: str, model_name: str) -> metric_types.MetricComputations:
    def derive(sets: dict[str, ImageSet], source: str) -> Sequence[float]:
        real, candidate = _both(sets, _reference(metric), source)
        baseline = _of(sets, sources.BASELINE).vectors
        found = worsening(get_metric(metric), real, candidate, baseline)
        return found.proven, found.margin

    return _derived([name, margin_name(metric)], model_name, derive)


def _memorization(name: str, model_name: str) -> metric_types.MetricComputations:
    def derive(sets: dict[str, ImageSet], source: str) -> Sequence[float]:
        held_out, generated = _of(sets, sources.REAL), _of(sets, source)
        found = memorization_of(
            held_out.distances, generated.distances, spread_of(held_out.vectors)
        )
        return found.share, found.distance_ratio

    return _derived([name, DISTANCE_RATIO], model_name, derive)


def _image_counts(name: str, model_name: str) -> metric_types.MetricComputations:
    def derive(sets: dict[str, ImageSet], source: str) -> Sequence[float]:
        found = sets.get(source)
        return (len(found.vectors), found.flat, found.distinct) if found else (0, 0, 0)

    return _derived(list(COUNT_NAMES), model_name, derive)


def _compare(name: str, sets: dict[str, ImageSet], source: str) -> Sequence[float]:
    return [get_metric(name).function(*_both(sets, _reference(name), source))]


def _reference(metric: str) -> str:
    """The source of real images that a metric compares with."""
    return sources.HOLDOUT if metric.endswith(AT_HOLDOUT) else sources.REAL


def _both(sets: dict[str, ImageSet], real: str, source: str) -> tuple[np.ndarray, np.ndarray]:
    return _of(sets, real).vectors, _of(sets, source).vectors


def _of(found: dict[str, Any], source: str) -> Any:
    if source not in found:
        raise MetricError(f"there are no images of {source}")
    return found[source]


def _compare_moments(
    key: metric_types.MetricKey, real: str, values: metric_types.MetricsDict
) -> metric_types.MetricsDict:
    moments = values[_MOMENTS]
    try:
        value = frechet_distance_of(_of(moments, real), _of(moments, key.model_name))
    except MetricError as error:
        return {key._replace(name=unavailable_name(key.name)): str(error)}
    return {key: value}


def _derived(
    names: Sequence[str], model_name: str, derive: _Derive
) -> metric_types.MetricComputations:
    keys = [metric_types.MetricKey(name, model_name=model_name) for name in names]

    def compute(values: metric_types.MetricsDict) -> metric_types.MetricsDict:
        try:
            results = derive(values[_FEATURES], model_name)
        except MetricError as error:
            return {keys[0]._replace(name=unavailable_name(names[0])): str(error)}
        return {key: float(result) for key, result in zip(keys, results, strict=True)}

    return [_gather_features(), metric_types.DerivedMetricComputation(keys, compute)]


def _gather_features() -> metric_types.MetricComputation:
    return metric_types.MetricComputation([_FEATURES], [_ReadExtract()], _KeyedSets())


class _ReadExtract(metric_types.Preprocessor):
    """An extract of `analysis.Analyze` to (source, ImageRecord)."""

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[str, ImageRecord]]:
        [(source, vector)] = extracts[constants.PREDICTIONS_KEY].items()
        features = extracts[constants.FEATURES_KEY]
        yield (
            source,
            ImageRecord(
                features[KEY],
                bool(features[FLAT]),
                features[DIGEST],
                float(features[DISTANCE]),
                vector,
            ),
        )


class _ReadVector(metric_types.Preprocessor):
    """An extract of `analysis.Analyze` to (source, vector)."""

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
        yield from extracts[constants.PREDICTIONS_KEY].items()


class _KeyedSets(GatherFeatures):
    """GatherFeatures, with the result under the key that TFMA asks for."""

    def extract_output(self, accumulator: dict[str, Any]) -> metric_types.MetricsDict:
        return {_FEATURES: super().extract_output(accumulator)}


class _KeyedMoments(CombineMoments):
    """CombineMoments, with the result under the key that TFMA asks for."""

    def extract_output(self, accumulator: dict[str, Any]) -> metric_types.MetricsDict:
        return {_MOMENTS: super().extract_output(accumulator)}
