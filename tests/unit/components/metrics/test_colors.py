"""The colors of images in gray levels, by closed forms."""

import numpy as np
import pytest

from components.metrics.arrays import MetricError
from components.metrics.image_statistics import color_distance, colors_of, statistics_of


def draw(count=50, shape=(8, 8, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 200, (count, *shape), np.uint8)


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


def test_equal_sets_have_no_distance():
    assert color_distance(colors(draw()), colors(draw())) == 0


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3)])
def test_brighter_images_differ_by_the_gray_levels_that_they_are_brighter(shape):
    images = draw(shape=shape)
    assert color_distance(colors(images), colors(images + 11)) == pytest.approx(11, rel=1e-4)


def test_swapped_channels_differ_by_twice_red_minus_blue():
    images = draw(shape=(8, 8, 1)).repeat(3, axis=-1)
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


def test_gray_and_color_images_cannot_be_compared():
    with pytest.raises(MetricError, match="real features have 8 dimensions, generated ones 2"):
        color_distance(colors(draw()), colors(draw(shape=(8, 8, 1))))


def test_nothing_to_compare_is_rejected():
    with pytest.raises(MetricError, match="hold NaN"):
        color_distance(np.full((2, 8), np.nan), np.zeros((2, 8)))
    with pytest.raises(MetricError, match="at least 2 rows"):
        color_distance(np.zeros((2, 8)), np.zeros((0, 8)))
