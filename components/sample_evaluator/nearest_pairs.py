"""The training images nearest to the first samples: what a person sees memorization by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems
from scipy.spatial.distance import cdist

from components.sample_evaluator import sources
from components.sample_evaluator.images import DecodeRecords, ImageBatch
from trainer.grid import grid_png

PAIRS = 10


class FeatureVector(NamedTuple):
    """The features of one image.

    Attributes:
        source: one of `sources`.
        index: of the image within its source.
        vector: float [d].
    """

    source: str
    index: int
    vector: np.ndarray


class WriteNearestPairs(beam.PTransform):
    """Writes a PNG grid of two rows: the first samples, and below each its nearest training image.

    Nearest by Euclidean distance in the feature space; among equals, the first. Only the training
    images that are shown get decoded again, so that no worker holds them all. Without samples or
    training images, nothing is written.
    """

    def __init__(self, transform_graph: str, path: str) -> None:
        """Describes the picture.

        Args:
            transform_graph: URI of the TransformGraph artifact.
            path: of the PNG file.
        """
        super().__init__()
        self._transform_graph = transform_graph
        self._path = path

    def expand(self, inputs: Mapping[str, beam.PCollection]) -> beam.PCollection:
        """From three collections.

        They are `features`, FeatureVectors of (at least) the candidate and of all training images;
        `samples`, ImageBatches of the candidate; `records`, of the training split: (index of the
        first, serialized examples).
        """
        features = inputs["features"]
        queries = beam.pvalue.AsList(features | "Queries" >> beam.Filter(_is_query))
        nearest = beam.pvalue.AsDict(
            features
            | "TrainFeatures" >> beam.Filter(lambda found: found.source == sources.TRAIN)
            | "Batch" >> beam.BatchElements(min_batch_size=32, max_batch_size=1024)
            | "Compare" >> beam.FlatMap(_nearest_in_batch, queries)
            | "Nearest" >> beam.CombinePerKey(min)
        )
        images = [
            inputs["samples"],
            inputs["records"]
            | "Pick" >> beam.FlatMap(_pick_records, nearest)
            | "Decode" >> beam.ParDo(DecodeRecords(sources.TRAIN, self._transform_graph)),
        ]
        return (
            images
            | beam.Flatten()
            | "Select" >> beam.FlatMap(_select_images, nearest)
            | "Gather" >> beam.combiners.ToDict()
            | "Write" >> beam.Map(_write, nearest, self._path)
        )


def _is_query(found: FeatureVector) -> bool:
    return found.source == sources.CANDIDATE and found.index < PAIRS


def _nearest_in_batch(
    train: Sequence[FeatureVector], queries: Sequence[FeatureVector]
) -> Iterator[tuple[int, tuple[float, int]]]:
    """By index of each query: the distance to the nearest training image here, and its index."""
    if not queries:
        return
    distances = cdist([query.vector for query in queries], [found.vector for found in train])
    for query, row in zip(queries, distances, strict=True):
        yield query.index, min(zip(row.tolist(), [found.index for found in train], strict=True))


def _pick_records(
    batch: tuple[int, Sequence[bytes]], nearest: Mapping[int, tuple[float, int]]
) -> Iterator[tuple[int, list[bytes]]]:
    start, records = batch
    for index in {index for _, index in nearest.values()}:
        if start <= index < start + len(records):
            yield index, [records[index - start]]


def _select_images(
    batch: ImageBatch, nearest: Mapping[int, tuple[float, int]]
) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
    shown = {
        sources.CANDIDATE: set(nearest),
        sources.TRAIN: {index for _, index in nearest.values()},
    }
    for index, image in enumerate(batch.images, batch.start):
        if index in shown[batch.source]:
            yield (batch.source, index), image


def _write(
    images: Mapping[tuple[str, int], np.ndarray],
    nearest: Mapping[int, tuple[float, int]],
    path: str,
) -> None:
    if not nearest:
        return
    samples = [images[sources.CANDIDATE, index] for index in sorted(nearest)]
    found = [images[sources.TRAIN, nearest[index][1]] for index in sorted(nearest)]
    with FileSystems.create(path, "image/png") as file:
        file.write(grid_png(np.stack(samples + found), columns=len(samples)))
