"""Spectra are averages over rings, and their distance shows blur and artifacts."""

import math

import numpy as np
import pytest
import scipy.ndimage

from components.metrics.arrays import MetricError
from components.metrics.image_statistics import (
    ROUNDING,
    spectrum_distance,
    spectrum_of,
    spectrum_ratio,
    statistics_of,
)

SHAPES = [(8, 8, 1), (16, 16, 3), (7, 7, 3), (12, 20, 3), (5, 16, 1), (1, 9, 1), (2, 1, 3)]


def draw(count=200, shape=(16, 16, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def spectra(images):
    return statistics_of(images).spectrum


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_mean_of_each_ring_by_the_definition(shape):
    [image] = draw(1, shape)
    height, width, _ = shape
    rows, columns = np.mgrid[:height, :width]
    power, ring = [], []
    for u in range(height):
        for v in range(width):
            wave = np.exp(-2j * np.pi * (u * rows / height + v * columns / width))
            transform = (wave[..., None] * (image / 255)).sum(axis=(0, 1))
            power.append((np.abs(transform) ** 2).mean() / (height * width))
            ring.append(round(math.hypot(min(u, height - u), min(v, width - v))))
    expected = scipy.ndimage.mean(power, ring, range(1, max(ring) + 1))
    np.testing.assert_allclose(spectrum_of(image), expected, rtol=2e-5)


def test_the_rings_hold_all_the_variance():
    [image] = draw(1, (16, 16, 1))
    frequency = np.abs(np.fft.fftfreq(16, 1 / 16))
    ring = np.rint(np.hypot(frequency[:, None], frequency)).astype(int)
    total = (spectrum_of(image) * np.bincount(ring.ravel())[1:]).sum() / 16**2
    assert total == pytest.approx((image / 255).var(), rel=1e-5)


def test_a_wave_has_power_at_its_own_frequency_alone():
    wave = np.cos(2 * np.pi * 3 * np.arange(32) / 32)
    image = np.rint(127.5 + 127 * wave)[None, :, None].repeat(32, axis=0).astype(np.uint8)
    found = spectrum_of(image)
    assert found.argmax() == 2  # ring 3
    assert found[2] > 1e4 * np.delete(found, 2).max()


def test_a_plain_image_has_no_power():
    assert spectrum_of(np.full((8, 8, 3), 200, np.uint8)).max() < 1e-9


def test_the_spectrum_of_an_image_does_not_depend_on_the_others():
    images = draw(9, (8, 8, 1))
    np.testing.assert_array_equal(spectra(images)[4], spectra(images[4:5])[0])


def test_a_blur_lowers_the_highest_frequencies_most():
    images = draw()
    blurred = scipy.ndimage.gaussian_filter(images, (0, 0.6, 0.6, 0), mode="wrap")
    ratio = spectrum_ratio(spectra(images), spectra(blurred))
    assert (np.diff(ratio) < 0).all()
    assert ratio[-1] < 0.1
    assert ratio[0] > 0.8


def test_a_checkerboard_raises_the_corner_alone():
    images = draw(shape=(16, 16, 1)) // 2 + 64
    board = 16 * (np.indices((16, 16)).sum(axis=0) % 2)[..., None]
    ratio = spectrum_ratio(spectra(images), spectra((images + board).astype(np.uint8)))
    assert ratio[-1] > 1.5
    np.testing.assert_allclose(ratio[:-1], 1, atol=1e-4)


def test_the_distance_is_that_of_the_logarithms():
    real, half = np.full((9, 5), 8.0), np.full((7, 5), 4.0)
    assert spectrum_distance(real, half) == pytest.approx(math.log(2), rel=1e-6)
    assert spectrum_distance(half, real) == pytest.approx(math.log(2), rel=1e-6)


def test_equal_sets_have_no_distance_and_new_images_a_small_one():
    real = spectra(draw())
    assert spectrum_distance(real, real) == 0
    assert spectrum_distance(real, spectra(draw(seed=1))) < 0.05


def test_power_below_that_of_rounding_does_not_count():
    nothing, tiny = np.zeros((3, 4)), np.full((3, 4), ROUNDING / 1000)
    assert spectrum_distance(nothing, tiny) < 0.001


@pytest.mark.parametrize(
    ("generated", "reason"),
    [
        (np.full((3, 4), np.nan), "generated features hold NaN or infinite values"),
        (np.ones((3, 5)), "real features have 4 dimensions, generated ones 5"),
        (np.ones((1, 4)), "at least 2 rows"),
    ],
)
def test_hostile_spectra_are_rejected(generated, reason):
    with pytest.raises(MetricError, match=reason):
        spectrum_distance(np.ones((3, 4)), generated)


def test_images_of_one_pixel_have_no_spectrum_to_compare():
    empty = spectra(draw(3, (1, 1, 3)))
    assert empty.shape == (3, 0)
    with pytest.raises(MetricError, match=r"shape \(3, 0\)"):
        spectrum_distance(empty, empty)
