"""Beam transforms that draw the results of a model that translates, for held-out images."""

import bisect
from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.images.batches import ImageBatch, load_decoder, load_source_decoder
from components.images.records import example_key
from components.sample_evaluator import sources
from components.sample_evaluator.measure.pairs import score_pairs
from components.sample_evaluator.samples.draw import draw_samples, seed_key
from components.sample_evaluator.samples.sampler import load_sampler
from trainer import examples

ANSWERS = 8  # to each of the first sources
ANSWERED = 100  # sources at most
ANSWER_BYTES = 64 * 2**20  # of all answers at most, but for MIN_ANSWERED sources
MIN_ANSWERED = 8
NEXT_ANSWER = 2**32  # between the seeds of two answers: far more than there are results

Seeded = tuple[int, bytes]  # the seed of a result, and the serialized held-out example


class Answers(NamedTuple):
    """Several answers to each of N sources.

    Attributes:
        seeds: of the first answers; those of the others are NEXT_ANSWER apart.
        labels: of the images; may be empty.
        images: the held-out images, uint8 [N, H, W, C]; None where sources are not paired.
        sources: uint8 [N, H, W, S].
        results: uint8 [N, K, H, W, C]; K is 1 for a model with one answer to each source.
    """

    seeds: list[int]
    labels: list[str]
    images: np.ndarray | None
    sources: np.ndarray
    results: np.ndarray


class SeedHeldOut(beam.PTransform):
    """Serialized held-out examples to pairs of a seed and an example, those of given keys."""

    def __init__(self, keys: beam.PCollection, first: int) -> None:
        """Describes the seeds.

        Args:
            keys: one list, the keys of the examples to take, sorted.
            first: the seed of the first key; those of the others follow.
        """
        super().__init__()
        self._keys, self._first = keys, first

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        """From serialized tf.Examples."""
        return records | beam.FlatMap(_with_seed, beam.pvalue.AsSingleton(self._keys), self._first)


def _with_seed(record: bytes, keys: list[bytes], first: int) -> Iterator[Seeded]:
    key = example_key(record)
    place = bisect.bisect_left(keys, key)
    if keys[place : place + 1] == [key]:
        yield first + place, record


class SeedSources(beam.PTransform):
    """Serialized examples of unpaired sources to pairs of a seed and an example.

    The first ones by key are taken, one for each held-out image, whose label they get.
    """

    def __init__(self, labels: beam.PCollection, first: int) -> None:
        """Describes the seeds.

        Args:
            labels: one list, those of the held-out images in the order of their keys.
            first: the first seed; the others follow.
        """
        super().__init__()
        self._labels, self._first = labels, first

    @beam.typehints.no_annotations  # Beam checks those of single collections only
    def expand(self, readings: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From the same serialized tf.Examples, read twice (records.py)."""
        records, again = readings
        labels = beam.pvalue.AsSingleton(self._labels)
        keys = (
            records
            | "Key" >> beam.Map(example_key)
            | "Gather" >> beam.combiners.ToList()
            | "Sort" >> beam.Map(lambda found, labels: sorted(found)[: len(labels)], labels)
        )
        seeded = again | beam.FlatMap(_with_seed, beam.pvalue.AsSingleton(keys), self._first)
        return seeded | "Label" >> beam.Map(_with_label, labels, self._first)


def _with_label(pair: Seeded, labels: list[str], first: int) -> Seeded:
    seed, record = pair
    example = tf.train.Example.FromString(record)
    example.features.feature[examples.LABEL].bytes_list.value[0] = labels[seed - first].encode()
    return seed, example.SerializeToString(deterministic=True)


class HeldOutFn(beam.DoFn):
    """What the transforms of seeded examples share: the model, and the decoders of examples."""

    def __init__(self, model: str, transform_graph: str, *, paired: bool = True) -> None:
        """Describes model and data.

        Args:
            model: folder of a SavedModel that translates.
            transform_graph: URI of the TransformGraph artifact.
            paired: whether the examples are images with their sources; else they are sources.
        """
        self._model, self._transform_graph, self._paired = model, transform_graph, paired

    def setup(self) -> None:
        """Loads the model and the graph, once per process."""
        self.sampler = load_sampler(self._model)
        self._decode_image = load_decoder(self._transform_graph)
        if self._paired:
            self._decode_source = load_source_decoder(self._transform_graph)

    def read(
        self, batch: list[Seeded]
    ) -> tuple[list[int], list[str], np.ndarray | None, np.ndarray]:
        """Seeds, labels, images, None where sources are not paired, and sources."""
        seeds, records = map(list, zip(*batch, strict=True))
        images, sources_ = None, self._decode_image(records).numpy()
        if self._paired:
            images, sources_ = sources_, self._decode_source(records).numpy()
        return seeds, [_label(record) for record in records], images, sources_

    def _batch(
        self,
        name: str,
        seeds: list[int],
        labels: list[str],
        images: np.ndarray | None,
        sources_: np.ndarray,
        results: np.ndarray,
    ) -> ImageBatch:
        scores = None
        if images is not None:
            scores = score_pairs(images, results, sources_, self.sampler.source.degradation)
        return ImageBatch(name, [seed_key(seed) for seed in seeds], labels, results, scores)


class Translate(HeldOutFn):
    """A list of seeded examples to an ImageBatch of results for their sources, with scores."""

    def __init__(
        self, source: str, model: str, transform_graph: str, *, paired: bool = True
    ) -> None:
        """Describes the results; `source` is that of the batches."""
        super().__init__(model, transform_graph, paired=paired)
        self._source = source

    def process(self, batch: list[Seeded]) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        seeds, labels, images, sources_ = self.read(batch)
        results = draw_samples(self.sampler, seeds, labels, sources_.shape[1:], sources_)
        yield self._batch(self._source, seeds, labels, images, sources_, results)


class ShowSources(HeldOutFn):
    """A list of seeded examples to an ImageBatch of their sources in place of results."""

    def __init__(
        self, source: str, model: str, transform_graph: str, *, paired: bool = True
    ) -> None:
        """Describes the images; `source` is that of the batches."""
        super().__init__(model, transform_graph, paired=paired)
        self._source = source

    def process(self, batch: list[Seeded]) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        seeds, labels, images, sources_ = self.read(batch)
        results = sources_[..., : sources_.shape[-1] - self.sampler.source.has_hole]
        yield self._batch(self._source, seeds, labels, images, sources_, results)


class AnswerSeveral(HeldOutFn):
    """The list of the first seeded examples to one Answers; none to an empty list."""

    def process(self, batch: list[Seeded]) -> Iterator[Answers]:
        """Yields the answers."""
        if not batch:
            return
        seeds, labels, images, sources_ = self.read(sorted(batch))
        count, shape = nb_answer(self.sampler.source.draws_noise), sources_.shape[1:]
        results = []
        for number in range(count):
            of_answer = [seed + number * NEXT_ANSWER for seed in seeds]
            results.append(draw_samples(self.sampler, of_answer, labels, shape, sources_))
        yield Answers(seeds, labels, images, sources_, np.stack(results, axis=1))


class CompareAnswers(HeldOutFn):
    """Answers to the ImageBatches that stand beside the results.

    They are one answer to each source, the mean of all answers, and other held-out images, with
    which the answers to the same sources are compared.
    """

    def process(self, answers: Answers) -> Iterator[ImageBatch]:
        """Yields one ImageBatch each, of those that there are."""
        seeds, labels, images, sources_, results = answers
        several, compared = results.shape[1] > 1, {}
        if several or images is not None:
            compared[sources.ANSWER] = results[:, 0]
        if several:
            mean = np.stack([each.mean(axis=0) for each in results])
            compared[sources.MEAN_ANSWER] = mean.round().astype(np.uint8)
        if images is not None and len(images) > 1:
            # Not the neighbors: equal images have equal hashes, and stand together.
            compared[sources.OTHER] = np.roll(images, len(images) // 2, axis=0)
        for name, each in compared.items():
            yield self._batch(name, seeds, labels, images, sources_, each)


def nb_answer(draws_noise: bool) -> int:
    """How many answers a model gives to a source here."""
    return ANSWERS if draws_noise else 1


def nb_answered(shape: tuple[int, int, int]) -> int:
    """To how many sources several answers are drawn, for images of H, W, C."""
    height, width, channels = shape
    affordable = ANSWER_BYTES // (ANSWERS * height * width * channels)
    return min(ANSWERED, max(affordable, MIN_ANSWERED))


def _label(record: bytes) -> str:
    feature = tf.train.Example.FromString(record).features.feature
    return feature[examples.LABEL].bytes_list.value[0].decode()
