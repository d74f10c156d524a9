"""Views of images: shifted and mirrored ones, in a fixed order."""

import numpy as np
import pytest

from components.images.image_set import SHIFTS, search_views


def draw(side):
    return np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)


@pytest.mark.parametrize("side", [8, 15, 64, 256])
def test_very_small_and_large_images_are_only_mirrored(side):
    images = draw(side)
    first, last = search_views(images)
    np.testing.assert_array_equal(first, images)
    np.testing.assert_array_equal(last, images[:, :, ::-1])


@pytest.mark.parametrize("side", [16, 32, 63])
def test_small_images_are_shifted_by_a_pixel_as_well(side):
    images = draw(side)
    first, *shifted, last = search_views(images)
    np.testing.assert_array_equal(first, images)
    np.testing.assert_array_equal(last, images[:, :, ::-1])
    assert len(set(SHIFTS)) == len(shifted) == 8
    for (down, right), found in zip(SHIFTS, shifted, strict=True):
        moved = np.roll(images, (down, right), axis=(1, 2))
        np.testing.assert_array_equal(found[:, 1:-1, 1:-1], moved[:, 1:-1, 1:-1])
    up_left = shifted[SHIFTS.index((-1, -1))]
    np.testing.assert_array_equal(up_left[:, -1], up_left[:, -2])  # the border is repeated
