"""The perceptual hash of an image."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from components.image_example_gen.near_duplicates import MAX_DISTANCE, look_of


def look(image):
    return np.unpackbits(np.frombuffer(look_of(np.asarray(image.convert("RGB"))), np.uint8))


def distance(one, other):
    return int((look(one) != look(other)).sum())


@pytest.fixture
def photo(photograph):
    """A photograph of 64 x 64 pixels."""
    return photograph(200, 200).resize((64, 64), Image.Resampling.LANCZOS)


def test_an_image_that_is_brighter_or_compressed_again_looks_the_same(photo):
    content = io.BytesIO()
    photo.save(content, "JPEG", quality=60)
    assert distance(photo, Image.open(content)) <= MAX_DISTANCE
    assert distance(photo, ImageEnhance.Brightness(photo).enhance(0.8)) <= MAX_DISTANCE


def test_another_photograph_looks_different(photo, photograph):
    assert distance(photo, photograph(210, 210).resize((64, 64))) > 2 * MAX_DISTANCE


def test_colors_hardly_matter(photo):
    assert distance(photo, photo.convert("L")) == 0
    assert distance(photo, ImageEnhance.Color(photo).enhance(0.2)) <= 4


@pytest.mark.parametrize("color", ["white", "black", "red"])
def test_flat_images_are_not_compared(color):
    assert look_of(np.asarray(Image.new("RGB", (64, 64), color))) is None


def test_images_below_16_pixels_are_not_compared(photo):
    assert look_of(np.asarray(photo.resize((15, 15)))) is None
    assert look_of(np.asarray(photo.resize((16, 16)))) is not None


def test_gray_images_of_any_shape_have_a_look(photo):
    gray = np.asarray(photo.convert("L").resize((48, 20)))[:, :, None]
    assert look_of(gray) is not None
