"""Beam transforms that draw uint8 images from seeds: samples, translations and noise."""

import bisect
from collections.abc import Iterator, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.images.batches import ImageBatch, load_source_decoder
from components.images.records import example_key
from components.progress import SAMPLED, counted
from components.sample_evaluator.samples.sampler import load_sampler
from trainer import examples, preprocessing

Seeds = tuple[list[int], list[str]]  # consecutive seeds, and a label for each


def seed_key(seed: int) -> bytes:
    """The key of the image drawn from a seed."""
    return seed.to_bytes(8, "big")


def batch_seeds(labels: Sequence[str], first: int, size: int) -> Iterator[Seeds]:
    """Splits consecutive seeds from `first`, one per label, into batches of at most `size`."""
    for start in range(0, len(labels), size):
        part = list(labels[start : start + size])
        yield list(range(first + start, first + start + len(part))), part


class DrawSamples(beam.DoFn):
    """Seeds with labels to an ImageBatch, by a sampler SavedModel."""

    def __init__(self, source: str, model: str) -> None:
        self._source = source
        self._model = model

    def setup(self) -> None:
        """Loads the model, once per process."""
        self._sampler = load_sampler(self._model)

    def process(self, batch: Seeds) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        seeds, labels = batch
        with counted(SAMPLED, len(seeds)):
            images = self._sampler.sample(np.array(seeds, np.int64), labels)
        yield ImageBatch(self._source, [seed_key(seed) for seed in seeds], labels, images)


class DrawTranslations(beam.PTransform):
    """Serialized held-out examples to ImageBatches of results for their sources."""

    def __init__(
        self,
        source: str,
        model: str,
        transform_graph: str,
        keys: beam.PCollection,
        seed: int,
        batch_size: int,
    ) -> None:
        """Describes the results.

        Args:
            source: of the batches.
            model: folder of a SavedModel that translates.
            transform_graph: URI of the TransformGraph artifact.
            keys: one list, the keys of the examples to take, sorted.
            seed: of the first one; those of the others follow.
            batch_size: of the results.
        """
        super().__init__()
        self._translate = _Translate(source, model, transform_graph)
        self._keys, self._seed, self._batch_size = keys, seed, batch_size

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        """From serialized tf.Examples."""
        size = self._batch_size
        return (
            records
            | "Seeds" >> beam.FlatMap(_with_seed, beam.pvalue.AsSingleton(self._keys), self._seed)
            | beam.BatchElements(min_batch_size=size, max_batch_size=size)
            | "Translate" >> beam.ParDo(self._translate)
        )


def _with_seed(record: bytes, keys: list[bytes], first: int) -> Iterator[tuple[int, bytes]]:
    key = example_key(record)
    place = bisect.bisect_left(keys, key)
    if keys[place : place + 1] == [key]:
        yield first + place, record


class _Translate(beam.DoFn):
    """A list of seeds with serialized examples to an ImageBatch."""

    def __init__(self, source: str, model: str, transform_graph: str) -> None:
        self._source, self._model, self._transform_graph = source, model, transform_graph

    def setup(self) -> None:
        """Loads the model and the graph, once per process."""
        self._sampler = load_sampler(self._model)
        self._decode = load_source_decoder(self._transform_graph)

    def process(self, batch: list[tuple[int, bytes]]) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        seeds, records = map(list, zip(*batch, strict=True))
        parsed = [tf.train.Example.FromString(record).features.feature for record in records]
        labels = [feature[examples.LABEL].bytes_list.value[0].decode() for feature in parsed]
        with counted(SAMPLED, len(seeds)):
            sources = self._decode(records).numpy()
            images = self._sampler.sample(np.array(seeds, np.int64), labels, sources=sources)
        yield ImageBatch(self._source, [seed_key(seed) for seed in seeds], labels, images)


def draw_noise(batch: Seeds, source: str, shape: tuple[int, int, int]) -> ImageBatch:
    """Draws clipped standard normal noise for each seed, independently of the batch."""
    seeds, labels = batch
    noise = [np.random.Generator(np.random.Philox(seed)).standard_normal(shape) for seed in seeds]
    images = preprocessing.to_uint8(np.stack(noise)).numpy()
    return ImageBatch(source, [seed_key(seed) for seed in seeds], labels, images)
