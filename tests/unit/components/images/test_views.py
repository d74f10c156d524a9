"""Views of images: mirrored and shifted ones, in a fixed order."""

import numpy as np
import pytest

from components.images.views import SHIFTS, is_mirrored, views


def draw(side):
    return np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)


@pytest.mark.parametrize("side", [8, 15, 64, 256])
def test_very_small_and_large_images_are_only_mirrored(side):
    images = draw(side)
    [mirrored] = views(images)
    np.testing.assert_array_equal(mirrored, images[:, :, ::-1])
    assert [is_mirrored(i, 2) for i in range(2)] == [False, True]


@pytest.mark.parametrize("side", [16, 32, 63])
def test_small_images_are_shifted_as_well(side):
    images = draw(side)
    found = [images, *views(images)]
    count = 2 * (1 + len(SHIFTS))
    assert len(found) == count
    np.testing.assert_array_equal(found[1][:, 1:, 1:], images[:, :-1, :-1])
    np.testing.assert_array_equal(found[1][:, 0], found[1][:, 1])  # the border is repeated
    np.testing.assert_array_equal(found[4][:, :-1, :-1], images[:, 1:, 1:])
    for i in range(count):
        assert is_mirrored(i, count) == (i >= count / 2)


def test_each_shift_by_two_pixels_is_within_one_pixel_of_a_view():
    for shift in np.ndindex(5, 5):
        distances = np.abs(np.array([(0, 0), *SHIFTS]) - (np.array(shift) - 2)).max(axis=1)
        assert distances.min() <= 1
