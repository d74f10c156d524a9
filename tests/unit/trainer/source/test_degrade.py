import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer.source.degrade import HOLE, degrade
from trainer.source.options import parse

HEIGHT, WIDTH = 16, 24


@pytest.fixture(scope="module")
def images():
    """Smooth images with a sharp edge, uint8 [3, HEIGHT, WIDTH, 3]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = [128 + 100 * np.sin(rows / (2 + n) + columns / (3 + n)) for n in range(9)]
    found = np.stack(waves, -1).reshape(HEIGHT, WIDTH, 3, 3).transpose(2, 0, 1, 3)
    found[:, :, WIDTH // 2 :] = 255 - found[:, :, WIDTH // 2 :]
    return found.round().astype(np.uint8)


def derive(images, text):
    """The sources, as a graph of Transform derives them."""
    trace = tf.function(lambda pixels: degrade(pixels, parse(text)))
    return trace(tf.constant(images)).numpy()


@pytest.mark.parametrize(
    "text", ["downscale 4", "gray", "mask box", "mask half", "mask strokes", "blur 2", "jpeg 20"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_source_is_a_picture_of_the_size_that_depends_on_its_image_alone(images, text, channels):
    images = images[..., :channels]
    sources = derive(images, text)
    assert sources.dtype == np.uint8
    assert sources.shape == (3, HEIGHT, WIDTH, channels + text.startswith("mask"))
    np.testing.assert_array_equal(derive(images[1:], text), sources[1:])
    if text != "gray" or channels == 3:
        assert np.any(sources[..., :channels] != images)


def test_downscaling_is_that_of_pillow_there_and_back(images):
    small = [Image.fromarray(i).resize((WIDTH // 4, HEIGHT // 4), 3) for i in images]
    large = np.stack([np.asarray(i.resize((WIDTH, HEIGHT), 3)) for i in small])
    assert np.abs(derive(images, "downscale 4").astype(int) - large).max() <= 3


def test_gray_has_equal_channels_of_the_luminance_of_pillow(images):
    found = derive(images, "gray")
    assert (found == found[..., :1]).all()
    expected = np.stack([np.asarray(Image.fromarray(i).convert("L")) for i in images])
    assert np.abs(found[..., 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("form", ["box", "half", "strokes"])
def test_a_mask_makes_a_gray_hole_and_leaves_the_rest(images, form):
    sources = derive(images, f"mask {form}")
    hole = sources[..., 3] == 0
    assert np.isin(sources[..., 3], [0, 255]).all()
    assert (sources[hole][:, :3] == HOLE).all()
    np.testing.assert_array_equal(sources[~hole][:, :3], images[~hole])
    share = hole.mean(axis=(1, 2))
    assert (share > 0.04).all()
    assert (share < 0.7).all()
    assert np.any(hole[0] != hole[1])


def test_a_box_is_a_rectangle_inside_the_image(images):
    for mask in derive(images, "mask box")[..., 3] == 0:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert HEIGHT // 4 <= len(rows) <= HEIGHT * 0.6 + 1
        assert WIDTH // 4 <= len(columns) <= WIDTH * 0.6 + 1


def test_a_half_is_that_of_one_of_the_four_sides():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 1)).astype(np.uint8)
    holes = {hole.tobytes() for hole in derive(pixels, "mask half")[..., 1] == 0}
    left, right, upper, lower = (np.zeros((6, 5), bool) for _ in range(4))
    left[:, :2] = right[:, 3:] = upper[:3] = lower[3:] = True
    assert holes == {half.tobytes() for half in (left, right, upper, lower)}


def test_images_with_the_same_pixels_elsewhere_have_other_holes(images):
    shifted = np.roll(images[:1], 1, axis=2)
    holes = [derive(each, "mask box")[..., 3] for each in (images[:1], shifted)]
    assert np.any(holes[0] != holes[1])


def test_a_blur_keeps_flat_images_up_to_their_edges_and_smooths_others(images):
    flat = np.full([1, HEIGHT, WIDTH, 3], 200, np.uint8)
    np.testing.assert_array_equal(derive(flat, "blur 3"), flat)
    rough = [
        np.abs(np.diff(i.astype(int), axis=2)).mean() for i in (images, derive(images, "blur 2"))
    ]
    assert rough[1] < 0.7 * rough[0]
    assert derive(images[:, :4, :4], "blur 100").std(axis=(1, 2)).max() < 1


def test_jpeg_is_that_of_pillow(images):
    file = io.BytesIO()
    Image.fromarray(images[0]).save(file, "JPEG", quality=20)
    expected = np.asarray(Image.open(file)).astype(int)
    assert np.abs(derive(images[:1], "jpeg 20")[0] - expected).mean() < 2
