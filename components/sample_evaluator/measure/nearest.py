"""A Beam transform that finds the training image nearest to each image, in SEARCH_SPACE.

A copy may be mirrored: an image is as near as the nearer of its views.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np

from components.images.features import ImageFeatures
from components.metrics.neighbors import nearest
from components.progress import NEAREST, counted

BATCH = 1024  # training images compared at a time


class _Found(NamedTuple):
    """The nearest training images so far, in the order of the queries."""

    distances: np.ndarray  # float64 [Q]
    mirrored: np.ndarray  # bool [Q], whether the mirror image is nearest
    keys: np.ndarray  # object [Q], bytes


class FindNearest(beam.PTransform):
    """Compares images with all training images, of which only a batch at a time is in memory."""

    def __init__(self, queries: beam.PCollection) -> None:
        """Describes the search.

        Args:
            queries: ImageFeatures of the images to search neighbors for, with their views.
        """
        super().__init__()
        self._queries = queries

    def expand(self, training: beam.PCollection) -> beam.PCollection:
        """From ImageFeatures in SEARCH_SPACE of all training images to (query, key) pairs.

        Each pair is the ImageFeatures of a query, with its distance, and the key of the nearest
        training image. If several are equally near, it is one that the image itself is near to, so
        that symmetric images are not mirrored, and of these that with the smallest key. The key is
        None if there are no training images.
        """
        queries = beam.pvalue.AsSingleton(
            self._queries | beam.combiners.ToList().without_defaults() | "Sort" >> beam.Map(_sort),
            default_value=[],
        )
        return (
            training
            | "Batch" >> beam.BatchElements(min_batch_size=BATCH, max_batch_size=BATCH)
            | "Compare" >> beam.Map(_compare, queries)
            | "Best" >> beam.CombineGlobally(_best)
            | "Split" >> beam.FlatMap(_split, queries)
        )


def _sort(queries: list[ImageFeatures]) -> list[ImageFeatures]:
    return sorted(queries, key=lambda query: (query.source, query.key))


def _compare(batch: list[ImageFeatures], queries: list[ImageFeatures]) -> _Found | None:
    if not queries:
        return None
    batch = sorted(batch, key=lambda image: image.key)
    keys = np.array([image.key for image in batch], object)
    reference = np.stack([image.vector for image in batch])
    with counted(NEAREST, len(batch)):
        views = range(len(queries[0].views))
        found = [_compare_view(view, queries, reference, keys) for view in views]
    return functools.reduce(_nearer, found)


def _compare_view(
    view: int, queries: list[ImageFeatures], reference: np.ndarray, keys: np.ndarray
) -> _Found:
    """Compares one view of all queries: in memory, there is never a second copy of all views."""
    found = nearest(np.stack([query.views[view] for query in queries]), reference)
    is_mirrored = view == len(queries[0].views) - 1
    return _Found(found.distances, np.full(len(queries), is_mirrored), keys[found.indices])


def _best(found: Iterable[_Found | None]) -> _Found | None:
    known = [one for one in found if one is not None]
    return functools.reduce(_nearer, known) if known else None


def _nearer(one: _Found, other: _Found) -> _Found:
    keep = (one.distances < other.distances) | (
        (one.distances == other.distances)
        & (
            (one.mirrored < other.mirrored)
            | ((one.mirrored == other.mirrored) & (one.keys < other.keys))
        )
    )
    return _Found(*(np.where(keep, *pair) for pair in zip(one, other, strict=True)))


def _split(
    found: _Found | None, queries: list[ImageFeatures]
) -> Iterator[tuple[ImageFeatures, bytes | None]]:
    if found is None:
        yield from ((query, None) for query in queries)
        return
    for query, distance, mirrored, key in zip(queries, *found, strict=True):
        yield query._replace(distance=float(distance), mirrored=bool(mirrored)), key
