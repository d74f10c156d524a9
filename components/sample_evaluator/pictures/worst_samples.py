"""A picture of the samples that are least like real images."""

from collections.abc import Iterator, Mapping

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import ImageBatch
from components.images.features import ImageFeatures
from components.sample_evaluator import sources
from trainer.common.image_grid import grid_png

WORST, COLUMNS = 16, 8  # samples, and samples in a row


class WriteWorstSamples(beam.PTransform):
    """Writes a PNG grid of the samples farthest from real images, the farthest first, each once.

    How far a sample is, is its distance to the nearest training image, which is known: there are
    more training images than held-out ones, so that a sample without a near one is like no real
    image. Without samples or training images, nothing is written.
    """

    def __init__(self, path: str, mark: str = "") -> None:
        """Describes the picture.

        Args:
            path: of the PNG file.
            mark: as of `grid_png`, for samples that a model drew.
        """
        super().__init__()
        self._path = path
        self._mark = mark

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From ImageBatches of the candidate and what FindNearest found, among others for these."""
        samples, nearest = inputs
        distances = beam.pvalue.AsDict(
            nearest
            | "OfSamples" >> beam.FlatMap(_by_digest)
            | "Distinct" >> beam.CombinePerKey(max)
            | beam.Values()
            | "Farthest" >> beam.combiners.Top.Largest(WORST)
            | "Each" >> beam.FlatMap(lambda found: [(key, distance) for distance, key in found])
        )
        return (
            samples
            | "Select" >> beam.FlatMap(_select, distances)
            | "Gather" >> beam.combiners.ToDict().without_defaults()
            | "Write" >> beam.Map(_write, distances, self._path, self._mark)
        )


def _by_digest(
    pair: tuple[ImageFeatures, bytes | None],
) -> Iterator[tuple[bytes, tuple[float, bytes]]]:
    image, nearest = pair
    if image.source == sources.CANDIDATE and nearest is not None:
        yield image.digest, (image.distance, image.key)


def _select(
    batch: ImageBatch, distances: Mapping[bytes, float]
) -> Iterator[tuple[bytes, np.ndarray]]:
    for key, image in zip(batch.keys, batch.images, strict=True):
        if key in distances:
            yield key, image


def _write(
    images: Mapping[bytes, np.ndarray], distances: Mapping[bytes, float], path: str, mark: str
) -> None:
    if not images:
        return
    keys = sorted(images, key=lambda key: (distances[key], key), reverse=True)
    with FileSystems.create(path, "image/png") as file:
        file.write(grid_png(np.stack([images[key] for key in keys]), COLUMNS, mark))
