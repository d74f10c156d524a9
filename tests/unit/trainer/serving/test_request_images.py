"""The images of a request as sources: what a user has for each degradation."""

import functools
import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from components.image_example_gen.image_decode import decode
from components.image_example_gen.options import ImageOptions
from trainer.serving import request_images
from trainer.serving.request_images import read_sources
from trainer.source.degrade import HOLE, degrade
from trainer.source.options import Source, parse
from trainer.source.orientation import ENTRIES, EXIF, EXIF_BYTES, found_by_search

SHAPE = (8, 16, 3)


def picture(height, width, seed=0):
    """A smooth picture, uint8 [height, width, 3]."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encode(pixels, kind="PNG", **options):
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(
        file, kind, **options
    )
    return file.getvalue()


@functools.cache
def trace(shape, **options):
    """The graph that reads sources, which takes longer to make than to use."""
    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(lambda rows: read_sources(rows, shape, Source(**options)), signature)


def read(*files, degrade="blur 1", shape=SHAPE, **options):
    return trace(shape, degrade=degrade, **options)(tf.constant(files, tf.string)).numpy()


def error(*files, **options):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        read(*files, **options)
    return str(caught.value)


def differ(a, b):
    return np.abs(a.astype(int) - b).max()


def test_an_image_of_the_resolution_is_taken_as_it_is():
    image = picture(8, 16)
    np.testing.assert_array_equal(read(encode(image))[0], image)
    assert differ(read(encode(image, "JPEG", quality=100, subsampling=0))[0], image) <= 4


def test_a_larger_image_is_cropped_in_the_middle_and_resized_as_at_ingest():
    image = picture(40, 32)
    expected = Image.fromarray(image[12:28]).resize((16, 8), Image.Resampling.BICUBIC)
    assert differ(read(encode(image))[0], np.asarray(expected)) <= 2


@pytest.mark.parametrize(("height", "width"), [(40, 32), (8, 40), (1, 50)])
def test_an_image_of_another_aspect_gets_bars_as_at_ingest(height, width):
    image = picture(height, width)
    options = {"resolution": SHAPE[:2], "fit": "pad", "background": "#ff8000", "min_size": 1}
    ingested = decode(io.BytesIO(encode(image)), ImageOptions(**options)).pixels
    (found,) = read(encode(image), fit="pad", background="#ff8000")
    assert differ(found, ingested) <= 3


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_states(orientation, order):
    image = Image.fromarray(picture(40, 32))
    exif = Image.Exif()
    exif.endian = {"little": "<", "big": ">"}[order]
    exif[0x010F] = "maker"
    exif[0x0112] = orientation
    file = encode(image, "JPEG", quality=98, exif=exif)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    assert differ(read(file)[0], read(encode(turned.convert("RGB")))[0]) <= 2


@pytest.mark.parametrize("orientation", [0, 6, 9])
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("before", [b"", bytes(EXIF_BYTES)])
def test_the_search_in_python_finds_what_the_graph_finds(orientation, order, before):
    entry = ENTRIES[order == "big"] + bytes([orientation])
    for file in (entry, before + EXIF + entry, EXIF + b"x" + entry[:-1], EXIF + entry + EXIF):
        found = request_images._orientation(tf.constant(file)).numpy()
        assert found == found_by_search(file)


def test_bytes_that_look_like_an_orientation_are_ignored_where_there_is_no_exif():
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00"
    plain, commented = (
        encode(picture(8, 16), "JPEG", **options) for options in ({}, {"comment": entry})
    )
    np.testing.assert_array_equal(*read(plain, commented))


def test_a_palette_of_few_colors_is_opaque():
    image = Image.fromarray(picture(8, 16)).quantize(4)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read(encode(image, bits=2))[0], expected)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16", "1"])
def test_other_modes_of_png_are_converted(mode):
    image = Image.fromarray(picture(8, 16))
    if mode == "I;16":
        values = np.asarray(image.convert("L"))
        expected = values[..., None].repeat(3, -1)
        image = Image.fromarray(values.astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read(encode(image))[0], expected)


def test_transparent_pixels_get_the_background():
    image = np.zeros([8, 16, 4], np.uint8)
    image[:, 8:] = [10, 20, 30, 255]
    found = read(encode(image), background="#ff8000")[0]
    np.testing.assert_array_equal(found[:, :8], np.full([8, 8, 3], [255, 128, 0]))
    np.testing.assert_array_equal(found[:, 8:], np.full([8, 8, 3], [10, 20, 30]))


def test_a_model_that_enlarges_takes_the_small_image_or_any_other():
    image = picture(32, 64)
    (expected,) = degrade(picture(8, 16)[None], parse("downscale 4")).numpy()
    small = Image.fromarray(picture(8, 16)).resize((4, 2), Image.Resampling.BICUBIC)
    from_small, enlarged, from_large = read(
        encode(small), encode(expected), encode(image), degrade="downscale 4"
    )
    assert differ(from_small, expected) <= 3
    assert np.abs(enlarged.astype(int) - expected).mean() < 12
    assert np.abs(np.diff(from_large.astype(int), axis=1)).max() < 90  # no detail but the small one


def test_a_model_that_adds_colors_ignores_those_of_the_request():
    (found,) = read(encode(picture(8, 16)), degrade="gray")
    (expected,) = degrade(picture(8, 16)[None], parse("gray")).numpy()
    np.testing.assert_array_equal(found, expected)


def test_a_gray_model_gets_gray_sources():
    (found,) = read(encode(picture(8, 16)), shape=(8, 16, 1))
    assert found.shape == (8, 16, 1)


def test_the_hole_of_a_model_that_fills_is_where_pixels_are_transparent():
    image = np.dstack([picture(8, 16), np.full([8, 16], 255)]).astype(np.uint8)
    image[2:5, 3:9] = [255, 0, 255, 0]
    (found,) = read(encode(image), degrade="mask box")
    hole = np.zeros([8, 16], bool)
    hole[2:5, 3:9] = True
    np.testing.assert_array_equal(found[..., 3], np.where(hole, 0, 255))
    assert (found[hole][:, :3] == HOLE).all()
    np.testing.assert_array_equal(found[~hole][:, :3], image[~hole][:, :3])


def test_hidden_colors_do_not_bleed_out_of_a_hole_that_is_resized():
    image = np.full([32, 64, 4], [100, 100, 100, 255], np.uint8)
    image[:, 30:] = [255, 0, 0, 0]
    (found,) = read(encode(image), degrade="mask box")
    visible = found[..., 3] == 255
    assert 0.4 < visible.mean() < 0.6
    assert np.abs(found[visible][:, :3].astype(int) - 100).max() <= 1


def test_no_image_at_all_is_no_error():
    assert read().shape == (0, *SHAPE)


GOOD = encode(picture(8, 16))
PROGRESSIVE = encode(picture(8, 16), "JPEG", progressive=True)
LAST_SCAN = PROGRESSIVE[PROGRESSIVE.rfind(b"\xff\xda") : -2]


def chunk(kind, data):
    content = kind + data
    return len(data).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (b"", "neither a PNG nor a JPEG file"),
        (b"no image", "neither a PNG nor a JPEG file"),
        (encode(picture(8, 16), "GIF", save_all=True, append_images=[Image.new("RGB", (16, 8))]),
         "neither a PNG nor a JPEG file"),
        (encode(picture(8, 16), "WEBP"), "neither a PNG nor a JPEG file"),
        (GOOD[:-40], "damaged or truncated"),
        (GOOD[:20], "damaged or truncated"),
        (GOOD[:12], "neither a PNG nor a JPEG file"),
        # A decoder skips a chunk before the header, here one that looks like a small size.
        (GOOD[:8] + chunk(b"teSt", bytes([0, 0, 0, 1] * 2)) + GOOD[8:],
         "neither a PNG nor a JPEG file"),
        (PROGRESSIVE[:-2] + 100 * LAST_SCAN + b"\xff\xd9", "more than 100 scans"),
        (encode(picture(8, 16), "JPEG")[:-300], "damaged or truncated"),
        (GOOD[:16] + (100_000).to_bytes(4, "big") * 2 + GOOD[24:], "more than 16,777,216 pixels"),
        (GOOD[:16] + b"\xff" * 8 + GOOD[24:], "damaged or truncated"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_by_its_row_in_one_line(file, problem):
    message = error(GOOD, file, GOOD, b"another")
    assert f"image_bytes, row 1: {problem}" in message
    assert "row 3" not in message


def test_a_progressive_jpeg_is_translated():
    (found,) = read(encode(picture(8, 16), "JPEG", progressive=True, quality=100, subsampling=0))
    assert differ(found, picture(8, 16)) <= 4


def test_an_opaque_image_has_nothing_to_fill():
    expected = "row 0: nothing to fill: make the pixels of the hole transparent"
    assert expected in error(GOOD, degrade="mask strokes")


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_hole_that_vanishes_in_the_size_of_the_model_is_too_narrow(fit):
    image = np.full([200, 320, 4], 255, np.uint8)
    image[100, :, 3] = 0
    expected = "row 0: nothing to fill: make the pixels of the hole transparent, and the hole wider"
    assert expected in error(encode(image), degrade="mask strokes", fit=fit)


def test_what_is_transparent_outside_the_middle_is_no_hole():
    image = np.full([200, 320, 4], 255, np.uint8)
    image[0, :, 3] = 0  # of the 20 rows above the middle
    assert "row 0: nothing to fill" in error(encode(image), degrade="mask strokes")


@pytest.mark.parametrize(("height", "width"), [(4, 8), (3, 9), (3, 5), (40, 32)])
def test_a_source_of_a_pair_is_taken_as_at_ingest(height, width):
    file = encode(picture(height, width))
    options = ImageOptions(resolution=SHAPE[:2], min_size=1)
    ingested = decode(io.BytesIO(file), options).pixels
    assert differ(read(file, degrade=None)[0], ingested) <= 5
    transparent = np.dstack([picture(8, 16), np.zeros((8, 16, 1), np.uint8)])
    found = read(encode(transparent), degrade=None, background="#ff8000")[0]
    assert np.all(found == [255, 128, 0])
