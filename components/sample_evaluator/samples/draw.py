"""Beam transforms that draw uint8 images from seeds: samples and noise."""

from collections.abc import Iterator, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.images.batches import ImageBatch
from components.progress import SAMPLED, counted
from components.sample_evaluator.samples.sampler import LoadedSampler, load_sampler
from trainer import preprocessing

# Without a GPU, the progress is reported after so many images, or after as many as have so many
# pixels: 64 of 32x32.
FEWEST, PIXELS = 16, 2**16
Seeds = tuple[list[int], list[str]]  # consecutive seeds, and a label for each


def seed_key(seed: int) -> bytes:
    """The key of the image drawn from a seed."""
    return seed.to_bytes(8, "big")


def batch_seeds(labels: Sequence[str], first: int, size: int) -> Iterator[Seeds]:
    """Splits consecutive seeds from `first`, one per label, into batches of at most `size`."""
    for start in range(0, len(labels), size):
        part = list(labels[start : start + size])
        yield list(range(first + start, first + start + len(part))), part


def images_at_once(batch_size: int, shape: Sequence[int]) -> int:
    """How many images of a batch are drawn in one call: all by a GPU, which is slow with few.

    Args:
        batch_size: images of the batch.
        shape: of an image, [H, W, C].
    """
    if tf.config.list_physical_devices("GPU"):
        return batch_size
    height, width, _ = shape
    return min(batch_size, max(FEWEST, PIXELS // (height * width)))


def draw_samples(
    sampler: LoadedSampler,
    seeds: Sequence[int],
    labels: Sequence[str],
    shape: Sequence[int],
    sources: np.ndarray | None = None,
) -> np.ndarray:
    """Draws as `LoadedSampler.sample` does, at least one image, and reports part by part."""
    size, drawn = images_at_once(len(seeds), shape), []
    for start in range(0, len(seeds), size):
        part = slice(start, start + size)
        numbers = np.array(seeds[part], np.int64)
        part_sources = None if sources is None else sources[part]
        with counted(SAMPLED, len(numbers)):
            drawn.append(sampler.sample(numbers, labels[part], sources=part_sources))
    return np.concatenate(drawn)


class DrawSamples(beam.DoFn):
    """Seeds with labels to an ImageBatch, by a sampler SavedModel."""

    def __init__(self, source: str, model: str, shape: Sequence[int]) -> None:
        self._source = source
        self._model = model
        self._shape = shape

    def setup(self) -> None:
        """Loads the model, once per process."""
        self._sampler = load_sampler(self._model)

    def process(self, batch: Seeds) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        seeds, labels = batch
        images = draw_samples(self._sampler, seeds, labels, self._shape)
        yield ImageBatch(self._source, [seed_key(seed) for seed in seeds], labels, images)


def draw_noise(batch: Seeds, source: str, shape: tuple[int, int, int]) -> ImageBatch:
    """Draws clipped standard normal noise for each seed, independently of the batch."""
    seeds, labels = batch
    noise = [np.random.Generator(np.random.Philox(seed)).standard_normal(shape) for seed in seeds]
    images = preprocessing.to_uint8(np.stack(noise)).numpy()
    return ImageBatch(source, [seed_key(seed) for seed in seeds], labels, images)
