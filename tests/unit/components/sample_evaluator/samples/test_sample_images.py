"""Compared images are decoded, drawn and shown reproducibly."""

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from evaluator_data import BEAM_ARGS, mark_of, open_png, serialize

from components.images.batches import ImageBatch
from components.images.records import example_key, scattered_key
from components.images.write_grid import WriteGrid
from components.sample_evaluator.samples.draw import (
    batch_seeds,
    draw_noise,
    draw_samples,
    seed_key,
)
from components.sample_evaluator.sources import CANDIDATE, NOISE
from trainer.common import xmp
from trainer.common.image_grid import image_grid
from trainer.common.progress import listening


def noise(seeds, shape):
    return draw_noise((seeds, [""] * len(seeds)), NOISE, shape).images


def test_each_seed_goes_with_its_label():
    labels = list("abcdefg")
    batches = list(batch_seeds(labels, first=10, size=3))
    assert [len(seeds) for seeds, _ in batches] == [3, 3, 1]
    pairs = [pair for seeds, found in batches for pair in zip(seeds, found, strict=True)]
    assert pairs == list(zip(range(10, 17), labels, strict=True))
    assert list(batch_seeds([], first=0, size=3)) == []


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


def test_equal_pixels_under_two_paths_have_two_keys(digits):
    first, other = (
        serialize(digits[0]).replace(b"images/", path) for path in (b"images/", b"copies/")
    )
    assert first != other
    assert example_key(first).split()[0] == example_key(other).split()[0]
    assert example_key(first) != example_key(other)


def test_scattered_keys_mix_images_that_repeat(digits):
    records = [
        serialize(digit).replace(b"images/", b"%06d/" % i)
        for digit in digits[:5]
        for i in range(400)
    ]
    pixels = [example_key(record).split()[0] for record in sorted(records, key=scattered_key)]
    assert len(set(pixels[:100])) == 5
    first = sorted(records, key=example_key)[:100]
    assert len({example_key(record).split()[0] for record in first}) == 1


def test_noise_depends_on_the_seed_alone():
    together, alone = noise([3, 4, 5], (4, 4, 3)), noise([4], (4, 4, 3))
    np.testing.assert_array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])


def test_noise_is_a_clipped_standard_normal():
    pixels = noise(list(range(100)), (16, 16, 3))
    assert pixels.dtype == np.uint8
    tail = 0.158655  # of the standard normal beyond 1
    assert (pixels == 255).mean() == pytest.approx(tail, abs=0.01)
    assert (pixels == 0).mean() == pytest.approx(tail, abs=0.01)
    assert pixels.mean() == pytest.approx(127.5, abs=1)


@pytest.mark.parametrize("size", [7, 150])
def test_a_grid_shows_the_first_images_by_key_whatever_the_batches(digits, tmp_path, size):
    order = np.random.default_rng(0).permutation(150)
    batches = [
        ImageBatch(CANDIDATE, [seed_key(int(i)) for i in part], [""] * len(part), digits[part])
        for part in np.split(order, range(size, 150, size))
    ]
    other = ImageBatch(NOISE, [b"0"], [""], digits[:1])
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        _ = pipeline | beam.Create([*batches, other]) | WriteGrid(CANDIDATE, f"{tmp_path}/g.png")
    np.testing.assert_array_equal(open_png(tmp_path / "g.png"), image_grid(digits[:100]).squeeze())


@pytest.mark.parametrize("mark", [xmp.packet("0123"), ""])
def test_a_grid_carries_the_mark_of_its_images(digits, tmp_path, mark):
    batch = ImageBatch(CANDIDATE, [b"0"], [""], digits[:1])
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        _ = pipeline | beam.Create([batch]) | WriteGrid(CANDIDATE, f"{tmp_path}/g.png", mark)
    assert mark_of(tmp_path / "g.png") == mark


def test_without_images_there_is_no_grid(tmp_path):
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        _ = pipeline | beam.Create([]) | WriteGrid(CANDIDATE, f"{tmp_path}/g.png")
    assert not list(tmp_path.iterdir())
