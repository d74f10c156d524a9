"""Beam transforms that make the images to compare, as uint8, from examples, seeds and noise."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems
from tensorflow_model_analysis import constants

from components.sample_evaluator.features import load_extractor
from components.sample_evaluator.sampler import Sampler
from trainer import dataset, examples, preprocessing
from trainer.grid import grid_png

GRID_SIDE = 10  # images a row, and rows, of a sample grid


@dataclasses.dataclass(frozen=True)
class ImageBatch:
    """Consecutive images of one source.

    Attributes:
        source: one of `sources`.
        start: index of the first image within its source.
        images: uint8 [N, H, W, C].
    """

    source: str
    start: int
    images: np.ndarray


class SelectRecords(beam.PTransform):
    """The first `count` serialized examples by the SHA-256 of their pixels, as one sorted list.

    Which ones are taken depends neither on files nor on the order of reading, and changes little
    when the data grow.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        """From serialized tf.Examples to one list of at most `count` of them."""
        return (
            records
            | "KeyByHash" >> beam.Map(_key_by_hash)
            | "Smallest" >> beam.combiners.Top.Smallest(self._count)
            | "DropHash" >> beam.Map(lambda pairs: [record for _, record in pairs])
        )


def _key_by_hash(record: bytes) -> tuple[bytes, bytes]:
    feature = tf.train.Example.FromString(record).features.feature[examples.SHA256]
    return feature.bytes_list.value[0], record


def read_labels(records: Iterable[bytes]) -> list[str]:
    """The label of each serialized example, in their order."""
    features = (tf.train.Example.FromString(record).features.feature for record in records)
    return [feature[examples.LABEL].bytes_list.value[0].decode() for feature in features]


def batches(items: list, size: int, limit: int | None = None) -> Iterator[tuple[int, list]]:
    """Cuts the first `limit` items into (index of the first, at most `size` items)."""
    items = items[:limit]
    for start in range(0, len(items), size):
        yield start, items[start : start + size]


class DecodeRecords(beam.DoFn):
    """(start, serialized examples) to an ImageBatch, through Transform's graph."""

    def __init__(self, source: str, transform_graph: str) -> None:
        self._source = source
        self._transform_graph = transform_graph

    def setup(self) -> None:
        """Loads the graph, once a worker."""
        self._preprocess = dataset.load_preprocessor(self._transform_graph)

    def process(self, batch: tuple[int, list[bytes]]) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        start, records = batch
        images = self._preprocess(tf.constant(records))[examples.IMAGE]
        yield ImageBatch(self._source, start, preprocessing.to_uint8(images).numpy())


class DrawSamples(beam.DoFn):
    """(start, seeds) to an ImageBatch, with a sampler SavedModel and the label of each sample."""

    def __init__(self, source: str, model: str) -> None:
        self._source = source
        self._model = model

    def setup(self) -> None:
        """Loads the model, once a worker."""
        self._sampler = Sampler(self._model)

    def process(self, batch: tuple[int, list[int]], labels: list[str]) -> Iterator[ImageBatch]:
        """Yields one ImageBatch; `labels` are those of all samples of the source."""
        start, seeds = batch
        wanted = labels[start : start + len(seeds)]
        yield ImageBatch(
            self._source, start, self._sampler.sample(np.array(seeds, np.int64), wanted)
        )


def draw_noise(
    batch: tuple[int, list[int]], source: str, shape: tuple[int, int, int]
) -> ImageBatch:
    """Makes an image of clipped standard normal noise for each seed, whatever its batch."""
    start, seeds = batch
    noise = [np.random.Generator(np.random.Philox(seed)).standard_normal(shape) for seed in seeds]
    return ImageBatch(source, start, preprocessing.to_uint8(np.stack(noise)).numpy())


class ExtractFeatures(beam.DoFn):
    """An ImageBatch to one TFMA extract an image: {source: feature vector} as its predictions."""

    def __init__(self, features: str) -> None:
        self._features = features

    def setup(self) -> None:
        """Loads the feature space, once a worker."""
        self._extract = load_extractor(self._features)

    def process(self, batch: ImageBatch) -> Iterator[dict]:
        """Yields an extract an image; its features are what tells broken images."""
        vectors = self._extract(batch.images)
        for offset, (image, vector) in enumerate(zip(batch.images, vectors, strict=True)):
            yield {
                constants.INPUT_KEY: b"",
                constants.PREDICTIONS_KEY: {batch.source: vector},
                constants.FEATURES_KEY: {
                    "index": batch.start + offset,
                    "flat": bool((image == image.flat[0]).all()),
                    "digest": hashlib.sha256(image.tobytes()).digest(),
                },
            }


class WriteGrid(beam.PTransform):
    """Writes the first images of one source as a PNG grid; without images, writes nothing."""

    def __init__(self, source: str, path: str) -> None:
        super().__init__()
        self._source = source
        self._path = path

    def expand(self, images: beam.PCollection) -> beam.PCollection:
        """From ImageBatches of all sources."""
        return (
            images
            | "Select" >> beam.Filter(_is_in_grid, self._source)
            | "Gather" >> beam.combiners.ToList()
            | "Write" >> beam.Map(_write_grid, self._path)
        )


def _is_in_grid(batch: ImageBatch, source: str) -> bool:
    return batch.source == source and batch.start < GRID_SIDE**2


def _write_grid(found: Iterable[ImageBatch], path: str) -> None:
    ordered = sorted(found, key=lambda batch: batch.start)
    if ordered:
        images = np.concatenate([batch.images for batch in ordered])[: GRID_SIDE**2]
        with FileSystems.create(path, "image/png") as file:
            file.write(grid_png(images))
