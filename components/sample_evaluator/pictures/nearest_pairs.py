"""The samples nearest to training images, beside these: they make memorization visible."""

from collections.abc import Iterator, Mapping

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import DecodeRecords, ImageBatch
from components.images.features import ImageFeatures
from components.images.records import example_key
from components.sample_evaluator import sources
from trainer.common.image_grid import grid_png

PAIRS = 10

_ImageId = tuple[str, bytes]  # source and key
# The distance and the key of a training image, and whether it is nearest mirrored.
_Nearest = tuple[float, bytes, bool]


class WriteNearestPairs(beam.PTransform):
    """Writes a PNG grid of two rows: samples, and below each its nearest training image.

    The samples are those nearest to a training image, the nearest first: copies are among them.
    A sample that repeats is shown once.

    A training image that is nearest mirrored is shown mirrored, so that a copy is seen as one.
    Only the training images in the picture are decoded again, so that no worker needs them all.
    Without samples or training images, nothing is written.
    """

    def __init__(self, transform_graph: str, path: str, mark: str = "") -> None:
        """Describes the picture.

        Args:
            transform_graph: URI of the TransformGraph artifact.
            path: of the PNG file.
            mark: as of `grid_png`, for samples that a model drew.
        """
        super().__init__()
        self._transform_graph = transform_graph
        self._path = path
        self._mark = mark

    def expand(
        self, inputs: tuple[beam.PCollection, beam.PCollection, beam.PCollection]
    ) -> beam.PCollection:
        """From three collections.

        They are ImageBatches of the candidate, what FindNearest found for its samples among
        others, and the serialized examples of all training images.
        """
        samples, nearest, training = inputs
        found = beam.pvalue.AsDict(
            nearest
            | "OfSamples" >> beam.FlatMap(_by_digest)
            | "Distinct" >> beam.CombinePerKey(min)
            | beam.Values()
            | "Nearest" >> beam.combiners.Top.Smallest(PAIRS)
            | "Each" >> beam.FlatMap(lambda pairs: [(key, rest) for rest, key in pairs])
        )
        picked = (
            training
            | "Pick" >> beam.FlatMap(_pick, found)
            | "Decode" >> beam.ParDo(DecodeRecords(sources.TRAIN, self._transform_graph))
        )
        return (
            [samples, picked]
            | beam.Flatten()
            | "Select" >> beam.FlatMap(_select, found)
            | "Gather" >> beam.combiners.ToDict().without_defaults()
            | "Write" >> beam.Map(_write, found, self._path, self._mark)
        )


def _by_digest(
    pair: tuple[ImageFeatures, bytes | None],
) -> Iterator[tuple[bytes, tuple[_Nearest, bytes]]]:
    image, nearest = pair
    if image.source == sources.CANDIDATE and nearest is not None:
        yield image.digest, ((image.distance, nearest, image.mirrored), image.key)


def _pick(record: bytes, found: Mapping[bytes, _Nearest]) -> Iterator[list[bytes]]:
    if example_key(record) in _training_keys(found):
        yield [record]


def _select(
    batch: ImageBatch, found: Mapping[bytes, _Nearest]
) -> Iterator[tuple[_ImageId, np.ndarray]]:
    shown = set(found) if batch.source == sources.CANDIDATE else _training_keys(found)
    for key, image in zip(batch.keys, batch.images, strict=True):
        if key in shown:
            yield (batch.source, key), image


def _training_keys(found: Mapping[bytes, _Nearest]) -> set[bytes]:
    return {key for _, key, _ in found.values()}


def _write(
    images: Mapping[_ImageId, np.ndarray], found: Mapping[bytes, _Nearest], path: str, mark: str
) -> None:
    if not found:
        return
    keys = sorted(found, key=lambda key: (found[key], key))
    drawn = [images[sources.CANDIDATE, key] for key in keys]
    nearest = []
    for _, training, mirrored in map(found.__getitem__, keys):
        image = images[sources.TRAIN, training]
        nearest.append(image[:, ::-1] if mirrored else image)
    with FileSystems.create(path, "image/png") as file:
        file.write(grid_png(np.stack(drawn + nearest), columns=len(keys), mark=mark))
