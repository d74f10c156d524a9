"""Spectra, colors and layouts of images against their definitions and in closed forms."""

import math

import numpy as np
import pytest
import scipy.ndimage

from components.metrics.arrays import MetricError
from components.metrics.image_statistics import (
    ROUNDING,
    color_distance,
    colors_of,
    layout_distance,
    layout_of,
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


def test_images_of_one_pixel_have_no_spectrum_to_compare():
    empty = spectra(draw(3, (1, 1, 3)))
    assert empty.shape == (3, 0)
    with pytest.raises(MetricError, match=r"shape \(3, 0\)"):
        spectrum_distance(empty, empty)


def draw_dark(count=50, shape=(8, 8, 3)):
    return np.random.default_rng(0).integers(0, 200, (count, *shape), np.uint8)


def colors(images):
    return statistics_of(images).colors


def test_an_image_of_one_color_has_that_color_and_no_contrast():
    image = np.full((4, 6, 3), (200, 50, 20), np.uint8)
    np.testing.assert_allclose(colors_of(image), [90, 180, -60, 0, 0, 0, 90, -30])


def test_half_black_half_white_has_the_contrast_of_both():
    image = np.zeros((4, 4, 3), np.uint8)
    image[2:] = 255
    np.testing.assert_allclose(colors_of(image), [127.5, 0, 0, 127.5, 0, 0, 0, 0])
    np.testing.assert_allclose(colors_of(image[..., :1]), [127.5, 127.5])


def test_equal_colors_have_no_distance():
    assert color_distance(colors(draw_dark()), colors(draw_dark())) == 0


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3)])
def test_brighter_images_differ_by_the_gray_levels_that_they_are_brighter(shape):
    images = draw_dark(shape=shape)
    assert color_distance(colors(images), colors(images + 11)) == pytest.approx(11, rel=1e-4)


def test_swapped_channels_differ_by_twice_red_minus_blue():
    images = draw_dark(shape=(8, 8, 1)).repeat(3, axis=-1)
    images[..., 0] += 40
    found = color_distance(colors(images), colors(images[..., ::-1]))
    assert found == pytest.approx(80)


def test_the_tint_is_that_of_the_most_colorful_pixels():
    image = np.full((2, 2, 3), 100, np.uint8)
    image[0, 0] = (200, 100, 0)
    image[1, 1] = (80, 100, 120)
    values = np.array([200, -40])  # red minus blue of the two that are not gray
    red_minus_blue = colors_of(image)[-2]
    assert red_minus_blue == pytest.approx((values**3).sum() / (values**2).sum() / 2)


def test_swapped_channels_are_seen_where_the_means_cancel():
    images = np.full((4, 8, 8, 3), 128, np.uint8)
    images[:, :2] = (228, 128, 28)
    images[:, 2:] = (95, 128, 162)
    assert abs(images[..., 0].astype(float) - images[..., 2]).max() == 200
    assert abs(images[..., 0].mean() - images[..., 2].mean()) < 1
    swapped = color_distance(colors(images), colors(images[..., ::-1]))
    assert swapped == pytest.approx(2 * colors(images)[0, -2])
    assert swapped > 100


def test_less_contrast_at_the_same_brightness_is_seen():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    images[:, :2] = 200
    assert color_distance(colors(images), colors(images // 2 + 50)) == pytest.approx(50)


def layout(images):
    return statistics_of(images).layout


def test_a_cell_is_the_mean_of_its_pixels():
    [image] = draw(1, (8, 12, 3))
    expected = [
        image[2 * i : 2 * i + 2, 3 * j : 3 * j + 3, c].mean()
        for i in range(4)
        for j in range(4)
        for c in range(3)
    ]
    np.testing.assert_allclose(layout_of(image), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 7, 1), (9, 31, 3), (5, 6, 1)])
def test_each_pixel_is_in_one_cell_of_a_side_that_is_no_multiple_of_four(shape):
    [image] = draw(1, shape)
    rows, columns = (np.diff([i * side // 4 for i in range(5)]) for side in shape[:2])
    assert set(np.r_[rows, columns]) <= {
        shape[0] // 4,
        shape[0] // 4 + 1,
        shape[1] // 4,
        shape[1] // 4 + 1,
    }
    cells = layout_of(image).reshape(4, 4, -1)
    total = (cells * np.multiply.outer(rows, columns)[..., None]).sum()
    assert total == pytest.approx(image.sum(), rel=1e-6)


@pytest.mark.parametrize(("shape", "count"), [((1, 1, 1), 1), ((3, 8, 3), 36), ((2, 2, 1), 4)])
def test_a_small_image_has_fewer_cells(shape, count):
    [image] = draw(1, shape)
    found = layout_of(image)
    assert len(found) == count
    if max(shape[:2]) < 4:
        np.testing.assert_array_equal(found, image.ravel())


def test_images_that_are_upside_down_differ_by_their_gradient():
    ramp = (np.arange(8) * 30).astype(np.uint8)[:, None, None].repeat(8, axis=1)
    images = np.stack([ramp, ramp])
    bands = np.array([15, 75, 135, 195])
    expected = np.sqrt(np.mean((bands - bands[::-1]) ** 2))
    assert layout_distance(layout(images), layout(images[:, ::-1])) == pytest.approx(expected)
    assert layout_distance(layout(images), layout(images[:, :, ::-1])) == 0


def test_equal_layouts_have_no_distance():
    images = draw()
    assert layout_distance(layout(images), layout(images)) == 0
