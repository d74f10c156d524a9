"""The metrics of sample quality as TFMA metrics.

TFMA's models are the sources of images: each is compared with the source `real`. The features of
all images are gathered once and sorted by their index, so that no bundling changes a result; every
metric is then derived from them.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.sample_evaluator import sources
from components.sample_evaluator.metrics import CATALOG
from components.sample_evaluator.metrics.arrays import MetricError

# A leading underscore keeps the features out of what TFMA writes.
_FEATURES = metric_types.MetricKey("_features")


class ImageRecord(NamedTuple):
    """What the metrics need of one image; records sort by the index, which is unique."""

    index: int
    flat: bool  # all pixels of the image are equal
    digest: bytes  # SHA-256 of its pixels
    vector: np.ndarray  # float [d], its features


class ImageSet(NamedTuple):
    """The images of one source, in the order of their indices."""

    vectors: np.ndarray  # float [N, d]
    flat: int  # images that are a single color
    distinct: int  # different images


class SampleMetric(metric_types.Metric):
    """A metric of `metrics.CATALOG`.

    Where it cannot be computed, there is no value, but the reason: as the metric that
    `unavailable_name` names.
    """

    def __init__(self, name: str) -> None:
        super().__init__(metric_util.merge_per_key_computations(_sample_metric), name=name)


class ImageCounts(metric_types.Metric):
    """`COUNT_NAMES`: the images of a source, those of a single color, and the different ones."""

    def __init__(self, name: str = "image_counts") -> None:
        super().__init__(metric_util.merge_per_key_computations(_image_counts), name=name)


metric_types.register_metric(SampleMetric)
metric_types.register_metric(ImageCounts)

COUNT_NAMES = ("images", "flat_images", "distinct_images")


def unavailable_name(metric: str) -> str:
    """Names the TFMA metric that holds why `metric` could not be computed."""
    return f"{metric}_unavailable"


def _sample_metric(name: str, model_name: str) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name, model_name=model_name)
    return [
        _gather(),
        metric_types.DerivedMetricComputation([key], functools.partial(_compare, key)),
    ]


def _image_counts(name: str, model_name: str) -> metric_types.MetricComputations:
    keys = [metric_types.MetricKey(count, model_name=model_name) for count in COUNT_NAMES]
    return [_gather(), metric_types.DerivedMetricComputation(keys, functools.partial(_count, keys))]


def _compare(
    key: metric_types.MetricKey, values: metric_types.MetricsDict
) -> metric_types.MetricsDict:
    sets = values[_FEATURES]
    try:
        if key.model_name not in sets:
            raise MetricError(f"there are no images of {key.model_name}")
        real, generated = sets[sources.REAL], sets[key.model_name]
        return {key: CATALOG[key.name].function(real.vectors, generated.vectors)}
    except MetricError as error:
        return {key._replace(name=unavailable_name(key.name)): str(error)}


def _count(
    keys: list[metric_types.MetricKey], values: metric_types.MetricsDict
) -> metric_types.MetricsDict:
    found = values[_FEATURES].get(keys[0].model_name)
    counts = (len(found.vectors), found.flat, found.distinct) if found else (0, 0, 0)
    return {key: float(count) for key, count in zip(keys, counts, strict=True)}


def _gather() -> metric_types.MetricComputation:
    return metric_types.MetricComputation([_FEATURES], [_ReadExtract()], GatherFeatures())


class _ReadExtract(metric_types.Preprocessor):
    """An extract of `images.ExtractFeatures` to (source, ImageRecord)."""

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[str, ImageRecord]]:
        [(source, vector)] = extracts[constants.PREDICTIONS_KEY].items()
        features = extracts[constants.FEATURES_KEY]
        yield (
            source,
            ImageRecord(int(features["index"]), bool(features["flat"]), features["digest"], vector),
        )


class GatherFeatures(beam.CombineFn):
    """(source, ImageRecord) pairs to {source: ImageSet}, whatever the order they come in."""

    def create_accumulator(self) -> dict[str, list[ImageRecord]]:
        """Starts empty."""
        return {}

    def add_input(
        self, accumulator: dict[str, list[ImageRecord]], element: tuple[str, ImageRecord]
    ) -> dict[str, list[ImageRecord]]:
        """Adds one image."""
        source, record = element
        accumulator.setdefault(source, []).append(record)
        return accumulator

    def merge_accumulators(
        self, accumulators: list[dict[str, list[ImageRecord]]]
    ) -> dict[str, list[ImageRecord]]:
        """Joins the images of each source."""
        merged: dict[str, list[ImageRecord]] = {}
        for accumulator in accumulators:
            for source, records in accumulator.items():
                merged.setdefault(source, []).extend(records)
        return merged

    def extract_output(self, accumulator: dict[str, list[ImageRecord]]) -> metric_types.MetricsDict:
        """Sorts the images of each source and stacks their features."""
        return {_FEATURES: {source: _image_set(found) for source, found in accumulator.items()}}


def _image_set(records: list[ImageRecord]) -> ImageSet:
    ordered = sorted(records, key=lambda record: record.index)
    return ImageSet(
        vectors=np.stack([record.vector for record in ordered]),
        flat=sum(record.flat for record in ordered),
        distinct=len({record.digest for record in ordered}),
    )
