"""A Beam transform that finds the nearest training image of each sample, in feature space."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np

from components.images.features import ImageFeatures
from components.metrics.neighbors import nearest
from components.sample_evaluator.measure.image_sets import GatherFeatures, ImageRecord, ImageSet

BATCH = 1024  # training images that are compared at a time

ImageId = tuple[str, bytes]  # source and key


class Nearest(NamedTuple):
    """The nearest training image of one image.

    Attributes:
        distance: Euclidean, in feature space.
        key: of the training image; of several at the same distance, the smallest.
    """

    distance: float
    key: bytes


class _Queries(NamedTuple):
    ids: list[ImageId]
    vectors: np.ndarray  # float32 [Q, d]


class _Found(NamedTuple):
    """The best so far, for all queries in their order."""

    distances: np.ndarray  # float64 [Q]
    keys: np.ndarray  # object [Q], bytes


class FindNearest(beam.PTransform):
    """Compares images with all training images, of which only a batch at a time is in memory."""

    def __init__(self, queries: beam.PCollection) -> None:
        """Describes the search.

        Args:
            queries: (source, ImageFeatures): what the nearest training image is looked for.
        """
        super().__init__()
        self._queries = queries

    def expand(self, training: beam.PCollection) -> beam.PCollection:
        """From the ImageFeatures of all training images to ((source, key), Nearest) pairs."""
        queries = beam.pvalue.AsSingleton(
            self._queries
            | "Records" >> beam.Map(_make_record)
            | "Gather" >> beam.CombineGlobally(GatherFeatures())
            | "Stack" >> beam.Map(_stack)
        )
        return (
            training
            | "Batch" >> beam.BatchElements(min_batch_size=BATCH, max_batch_size=BATCH)
            | "Compare" >> beam.Map(_compare, queries)
            | "Best" >> beam.CombineGlobally(_best).without_defaults()
            | "Split" >> beam.FlatMap(_split, queries)
        )


def _make_record(pair: tuple[str, ImageFeatures]) -> tuple[str, ImageRecord]:
    source, features = pair
    return source, ImageRecord(
        features.key, features.flat, features.digest, math.nan, features.vector
    )


def _stack(sets: dict[str, ImageSet]) -> _Queries:
    if not sets:
        return _Queries([], np.empty((0, 0), np.float32))
    return _Queries(
        [(source, key) for source in sorted(sets) for key in sets[source].keys],
        np.concatenate([sets[source].vectors for source in sorted(sets)]),
    )


def _compare(batch: list[ImageFeatures], queries: _Queries) -> _Found:
    batch = sorted(batch, key=lambda features: features.key)
    keys = np.array([features.key for features in batch], object)
    if not queries.ids:
        return _Found(np.empty(0), np.empty(0, object))
    found = nearest(queries.vectors, np.stack([features.vector for features in batch]))
    return _Found(found.distances, keys[found.indices])


def _best(found: Iterable[_Found]) -> _Found:
    best: _Found | None = None
    for other in found:
        if best is None:
            best = other
            continue
        closer = (other.distances < best.distances) | (
            (other.distances == best.distances) & (other.keys < best.keys)
        )
        best = _Found(
            np.where(closer, other.distances, best.distances),
            np.where(closer, other.keys, best.keys),
        )
    return best or _Found(np.empty(0), np.empty(0, object))


def _split(found: _Found, queries: _Queries) -> Iterator[tuple[ImageId, Nearest]]:
    # Without training images there is nothing to find: the arrays are empty.
    for image, distance, key in zip(queries.ids, found.distances, found.keys, strict=False):
        yield image, Nearest(float(distance), key)
