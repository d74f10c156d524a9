"""Samples and noise are drawn reproducibly, each from its seed."""

import numpy as np
import pytest
import tensorflow as tf

from components.images.image_set import row_blocks
from components.sample_evaluator.samples.draw import (
    draw_images,
    draw_noise,
    draw_samples,
    noise_pixels,
    seed_key,
)
from trainer.common.progress import listening


def test_each_seed_goes_with_its_label_and_its_source_whatever_the_batches():
    labels = [str(100 + i) for i in range(7)]
    for size in (3, 7):
        sampler = Stock(4, 4)
        found = draw_images(sampler, labels, 10, size, (4, 4, 3))
        assert sampler.counts == [len(part) for _, part in row_blocks(labels, size)]
        assert found.labels == labels
        assert found.keys == [seed_key(10 + i) for i in range(7)]
        expected = [(10 + i, 100 + i, 0) for i in range(7)]
        np.testing.assert_array_equal(found.pixels[:, 0, 0], expected)
    noise = draw_noise(labels, 10, 3, (4, 4, 3))
    assert [seed for part in noise for seed in part.keys] == found.keys


class Stock:
    """A sampler that draws its seed, its label and its source, and notes how many at a time."""

    def __init__(self, height, width):
        self.shape, self.counts = (height, width, 3), []

    def sample(self, seeds, labels, sources=None):
        self.counts.append(len(seeds))
        beside = np.zeros(len(seeds)) if sources is None else sources
        rows = zip(seeds, map(int, labels), beside, strict=True)
        return np.stack([np.full(self.shape, row, np.uint8) for row in rows])


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    ("shape", "gpus", "counts"),
    [
        ((32, 32), [], [64, 36]),
        ((256, 512), [], [16, 16, 16, 16, 16, 16, 4]),
        ((8, 8), [], [100]),
        ((256, 512), ["GPU:0"], [100]),
    ],
)
def test_samples_are_drawn_and_counted_part_by_part(monkeypatch, shape, gpus, counts, beside):
    monkeypatch.setattr(tf.config, "list_physical_devices", {"GPU": gpus}.get)
    sampler, reports = Stock(*shape), []
    seeds, labels = list(range(100)), [str(100 + i) for i in range(100)]
    sources = np.arange(150, 250) if beside else None
    with listening(reports.append):
        images = draw_samples(sampler, seeds, labels, (*shape, 3), sources)
    expected = [(i, 100 + i, 150 + i if beside else 0) for i in range(100)]
    np.testing.assert_array_equal(images[:, 0, 0], expected)
    assert sampler.counts == counts
    assert [each.done for each in reports if each.done] == counts


def test_keys_sort_as_seeds_do():
    seeds = [0, 1, 255, 256, 2**31 - 1]
    assert sorted(map(seed_key, reversed(seeds))) == [seed_key(seed) for seed in seeds]


def test_noise_depends_on_the_seed_alone():
    together, alone = noise_pixels([3, 4, 5], (4, 4, 3)), noise_pixels([4], (4, 4, 3))
    np.testing.assert_array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])


def test_noise_is_a_clipped_standard_normal():
    pixels = noise_pixels(range(100), (16, 16, 3))
    assert pixels.dtype == np.uint8
    tail = 0.158655  # of the standard normal beyond 1
    assert (pixels == 255).mean() == pytest.approx(tail, abs=0.01)
    assert (pixels == 0).mean() == pytest.approx(tail, abs=0.01)
    assert pixels.mean() == pytest.approx(127.5, abs=1)
