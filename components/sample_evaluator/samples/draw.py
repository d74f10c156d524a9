"""Beam transforms that draw uint8 images from seeds: samples and noise."""

from collections.abc import Iterator, Sequence

import apache_beam as beam
import numpy as np

from components.images.batches import ImageBatch
from components.progress import SAMPLED, counted
from components.sample_evaluator.samples.sampler import LoadedSampler, load_sampler
from trainer import preprocessing

# Between two reports: first so many images, then images of so many pixels, 64 of 32x32. Without a
# GPU, these take the default network some ten seconds.
FIRST_IMAGES, PIXELS = 16, 2**16
Seeds = tuple[list[int], list[str]]  # consecutive seeds, and a label for each


def seed_key(seed: int) -> bytes:
    """The key of the image drawn from a seed."""
    return seed.to_bytes(8, "big")


def batch_seeds(labels: Sequence[str], first: int, size: int) -> Iterator[Seeds]:
    """Splits consecutive seeds from `first`, one per label, into batches of at most `size`."""
    for start in range(0, len(labels), size):
        part = list(labels[start : start + size])
        yield list(range(first + start, first + start + len(part))), part


def draw_samples(
    sampler: LoadedSampler,
    seeds: Sequence[int],
    labels: Sequence[str],
    sources: np.ndarray | None = None,
) -> np.ndarray:
    """Draws the images of seeds, at least one, as `LoadedSampler.sample` does, and reports them."""
    drawn, start, size = [], 0, FIRST_IMAGES
    while start < len(seeds):
        part = slice(start, start + size)
        given = None if sources is None else sources[part]
        numbers = np.array(seeds[part], np.int64)
        with counted(SAMPLED, len(numbers)):
            images = sampler.sample(numbers, labels[part], sources=given)
        drawn.append(images)
        start, size = part.stop, max(1, PIXELS // (images.shape[1] * images.shape[2]))
    return np.concatenate(drawn)


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
        images = draw_samples(self._sampler, seeds, labels)
        yield ImageBatch(self._source, [seed_key(seed) for seed in seeds], labels, images)


def draw_noise(batch: Seeds, source: str, shape: tuple[int, int, int]) -> ImageBatch:
    """Draws clipped standard normal noise for each seed, independently of the batch."""
    seeds, labels = batch
    noise = [np.random.Generator(np.random.Philox(seed)).standard_normal(shape) for seed in seeds]
    images = preprocessing.to_uint8(np.stack(noise)).numpy()
    return ImageBatch(source, [seed_key(seed) for seed in seeds], labels, images)
