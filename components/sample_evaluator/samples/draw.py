"""Draws uint8 images from seeds: samples and noise."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from components.images.image_set import Images, row_blocks
from components.progress import SAMPLED, counted
from components.sample_evaluator.samples.sampler import LoadedSampler
from trainer import preprocessing

# Without a GPU, the progress is reported after so many images, or after as many as have so many
# pixels: 64 of 32x32.
FEWEST, PIXELS = 16, 2**16


def seed_key(seed: int) -> bytes:
    """The key of the image drawn from a seed."""
    return seed.to_bytes(8, "big")


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


def draw_images(
    sampler: LoadedSampler, labels: Sequence[str], first: int, size: int, shape: Sequence[int]
) -> Images:
    """Draws one image for each label, from consecutive seeds.

    Args:
        sampler: draws from seeds alone.
        labels: of the images.
        first: the seed of the first label.
        size: images of a batch.
        shape: H, W, C of the images.
    """
    pixels = np.empty((len(labels), *shape), np.uint8)
    for rows, part in row_blocks(labels, size):
        pixels[rows] = draw_samples(sampler, _seeds(first, rows), part, shape)
    return Images([seed_key(first + i) for i in range(len(labels))], labels, pixels)


def draw_noise(
    labels: Sequence[str], first: int, size: int, shape: Sequence[int]
) -> Iterator[Images]:
    """Draws noise in batches, from the seeds of `draw_images`."""
    for rows, part in row_blocks(labels, size):
        seeds = _seeds(first, rows)
        yield Images([seed_key(seed) for seed in seeds], part, noise_pixels(seeds, shape))


def noise_pixels(seeds: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Clipped standard normal noise, uint8 [N, H, W, C]; an image depends on its seed alone."""
    generators = [np.random.Generator(np.random.Philox(seed)) for seed in seeds]
    # One by one: as float64, a batch would take eight times the memory of its pixels.
    noise = (generator.standard_normal(shape) for generator in generators)
    return np.stack([preprocessing.to_uint8(each).numpy() for each in noise])


def _seeds(first: int, rows: slice) -> range:
    return range(first + rows.start, first + rows.stop)
