"""Draws pairs in chunks of consecutive seeds, each a file that appears when it is complete.

A run that was stopped has lost no more than the chunks that its workers were drawing. Another run
draws what is missing, so a folder grows with the number of pairs.
"""

import bisect
import itertools
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.example import image_example, pixel_hash
from components.images.records import ReadExamples
from components.pair_gen.options import PairOptions
from components.pair_gen.path import TeacherPath
from components.progress import SAMPLED, counted, expect
from trainer import examples
from trainer.common.files import sync
from trainer.labels import NO_LABEL
from trainer.light.sampler import to_uint8
from trainer.records import count_records

FIRST_SEED = 2**32  # above all seeds of evaluations and of requests that people make
CHUNK = 1024  # pairs in a file
UNFINISHED = "unfinished-"  # begins the name of a file that is being written
HELD_OUT = 256  # pairs beside those to train on, whose loss the training measures

Counts = list[tuple[str, int]]  # labels with the number of their images, sorted


class Chunk(NamedTuple):
    """Pairs of consecutive seeds.

    Attributes:
        split: train or eval.
        first: seed of the first pair.
        count: number of pairs.
    """

    split: str
    first: int
    count: int

    @property
    def file(self) -> str:
        """The name of its file, by which a later run finds it."""
        return f"{self.split}-{self.first}-{self.count}.gz"


def chunks_of(pairs: int) -> list[Chunk]:
    """Splits so many pairs to train on, and those held out, into chunks."""
    start, found = FIRST_SEED + HELD_OUT, [Chunk(examples.EVAL, FIRST_SEED, HELD_OUT)]
    for first in range(0, pairs, CHUNK):
        found.append(Chunk(examples.TRAIN, start + first, min(CHUNK, pairs - first)))
    return found


def draw_pairs(
    pipeline: beam.Pipeline,
    model: str,
    options: PairOptions,
    folder: str,
    labeled: Sequence[str] = (),
) -> int:
    """Draws the chunks that are not in a folder yet, or are damaged there.

    Args:
        pipeline: empty; it is run.
        model: folder of the sampler SavedModel.
        options: number of pairs, segments, share without a label, batch size.
        folder: for the files, in which no other process writes; created if missing.
        labeled: for a conditional model, folders of the examples whose labels it draws.

    Returns:
        The number of pairs in these chunks.

    Raises:
        SamplerError: the model cannot be sampled.
    """
    fileio.makedirs(folder)
    for unfinished in fileio.glob(f"{folder}/{UNFINISHED}*"):
        fileio.remove(unfinished)
    missing = [chunk for chunk in chunks_of(options.pairs) if not _is_there(chunk, folder)]
    count = sum(chunk.count for chunk in missing)
    expect(SAMPLED, count)
    with pipeline:
        if labeled and missing:
            records = pipeline | ReadExamples(labeled)
            found = records | "Labels" >> beam.Map(_label) | beam.combiners.Count.PerElement()
        else:
            found = pipeline | "NoLabels" >> beam.Create([], reshuffle=False)
        counts = found | beam.combiners.ToList() | "Sort" >> beam.Map(sorted)
        _ = (
            pipeline
            | "Chunks" >> beam.Create(missing)
            | beam.Reshuffle()
            | beam.ParDo(_DrawChunk(model, options, folder), beam.pvalue.AsSingleton(counts))
        )
    return count


def _is_there(chunk: Chunk, folder: str) -> bool:
    """Whether the file of a chunk has all of its pairs."""
    file = f"{folder}/{chunk.file}"
    try:
        return fileio.exists(file) and count_records([file]) == chunk.count
    except tf.errors.DataLossError:
        return False


def choose_label(seed: int, counts: Counts, unlabeled: float) -> str:
    """Chooses the label of a pair by its seed alone.

    Args:
        seed: of the pair.
        counts: the labels to choose from, in proportion; none for an unconditional model.
        unlabeled: share of the pairs without a label.
    """
    part, place = np.random.Generator(np.random.Philox(seed)).random(2)
    if not counts or part < unlabeled:
        return NO_LABEL
    ends = list(itertools.accumulate(count for _, count in counts))
    return counts[bisect.bisect_right(ends, int(place * ends[-1]))][0]


def _label(record: bytes) -> str:
    feature = tf.train.Example.FromString(record).features.feature
    return feature[examples.LABEL].bytes_list.value[0].decode()


class _DrawChunk(beam.DoFn):
    """Writes the file of a Chunk."""

    def __init__(self, model: str, options: PairOptions, folder: str) -> None:
        self._model = model
        self._options = options
        self._folder = folder

    def setup(self) -> None:
        """Loads the model, once per process."""
        self._path = TeacherPath(self._model, self._options.segments)

    def process(self, chunk: Chunk, counts: Counts) -> None:
        """Draws batch by batch, so that memory does not grow with the chunk."""
        unfinished = f"{self._folder}/{UNFINISHED}{uuid.uuid4().hex}"
        with tf.io.TFRecordWriter(unfinished, "GZIP") as writer:
            for record in self._draw(chunk, counts):
                writer.write(record)
        if "://" not in self._folder:  # a power failure may keep the new name and lose the content
            sync(Path(unfinished))
        fileio.rename(unfinished, f"{self._folder}/{chunk.file}", overwrite=True)

    def _draw(self, chunk: Chunk, counts: Counts) -> Iterator[bytes]:
        seeds = range(chunk.first, chunk.first + chunk.count)
        size = min(self._options.batch_size, self._path.batch_limit)
        for start in range(0, chunk.count, size):
            batch = seeds[start : start + size]
            labels = [choose_label(seed, counts, self._options.unlabeled) for seed in batch]
            with counted(SAMPLED, len(batch)):
                paths = self._path.states(np.array(batch, np.int64), labels)
            for seed, label, states in zip(batch, labels, paths, strict=True):
                yield _pair(seed, label, states)


def _pair(seed: int, label: str, states: np.ndarray) -> bytes:
    image = to_uint8(states[-1])
    example = image_example(image, pixel_hash(image), label=label, path=f"seed {seed}")
    feature = example.features.feature
    feature[examples.SEED].int64_list.value.append(seed)
    if len(between := states[1:-1]):
        feature[examples.STATES].bytes_list.value.append(between.astype("<f2").tobytes())
    return example.SerializeToString(deterministic=True)
