"""Rectangular images: which part of a source is kept, and where it lands."""

import hashlib
import io

import numpy as np
import pytest
from PIL import ExifTags, Image, JpegImagePlugin

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_decode import decode, fit
from components.image_example_gen.image_header import read_header
from components.image_example_gen.options import ImageOptions

ORIENTATIONS = range(1, 9)
WHITE, BLACK, ORANGE = (255, 255, 255), (0, 0, 0), (255, 128, 0)


def encoded(image, kind="PNG", orientation=1, **save):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = io.BytesIO()
    image.save(stream, kind, exif=exif, **save)
    return stream.getvalue()


def pixels_of(data, resolution, **options):
    options = {"min_size": 1, "background": "#ff8000", **options}
    return decode(io.BytesIO(data), ImageOptions(resolution=resolution, **options)).pixels


def banded(size, box):
    """A black image with a white box."""
    image = Image.new("RGB", size, BLACK)
    image.paste(WHITE, box)
    return image


def rows_of(pixels, color):
    return np.flatnonzero((pixels == color).all(axis=(1, 2))).tolist()


def columns_of(pixels, color):
    return np.flatnonzero((pixels == color).all(axis=(0, 2))).tolist()


@pytest.mark.parametrize(
    ("size", "resolution", "kept"),
    [
        ((40, 20), (20, 10), (15, 0, 25, 20)),
        ((20, 40), (10, 20), (0, 15, 20, 25)),
        ((64, 48), (48, 64), (0, 0, 64, 48)),
        ((31, 20), (10, 10), (5, 0, 25, 20)),
        ((7, 7), (4, 8), (0, 1, 7, 4.5)),
    ],
)
def test_the_central_part_with_the_aspect_of_the_resolution_is_kept(size, resolution, kept):
    options = ImageOptions(resolution=resolution)
    assert fit(*size, options) == (kept, resolution[::-1])


@pytest.mark.parametrize("side", [4, 7, 64, 100, 1024])
def test_a_square_is_cut_at_whole_pixels(side):
    options = ImageOptions(resolution=side)
    for width, height in np.random.default_rng(0).integers(1, 20_000, (200, 2)).tolist():
        edge = min(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        assert fit(width, height, options) == ((left, top, left + edge, top + edge), (side, side))


def test_the_center_is_kept():
    wide = banded((36, 8), (12, 0, 24, 8))
    assert pixels_of(encoded(wide), (8, 12)).min() == 255
    tall = wide.transpose(Image.Transpose.ROTATE_90)
    assert pixels_of(encoded(tall), (12, 8)).min() == 255


@pytest.mark.parametrize(
    ("size", "resolution", "inside"),
    [
        ((24, 12), (16, 16), (slice(4, 12), slice(0, 16))),
        ((12, 24), (16, 16), (slice(0, 16), slice(4, 12))),
        ((30, 30), (12, 20), (slice(0, 12), slice(4, 16))),
        ((30, 10), (7, 9), (slice(2, 5), slice(0, 9))),
        ((30, 20), (9, 9), (slice(1, 7), slice(0, 9))),  # an odd rest: one row more below
        ((1000, 10), (16, 24), (slice(7, 8), slice(0, 24))),
        ((10, 1000), (16, 24), (slice(0, 16), slice(11, 12))),
    ],
)
@pytest.mark.parametrize(("channels", "bar"), [(3, ORANGE), (1, (151,))])
def test_pad_keeps_the_whole_image_in_the_middle_of_the_background(
    size, resolution, inside, channels, bar
):
    image = encoded(Image.new("RGB", size, BLACK))
    pixels = pixels_of(image, resolution, fit="pad", channels=channels)
    assert pixels.shape == (*resolution, channels)
    expected = np.full_like(pixels, bar)
    expected[inside] = 0
    np.testing.assert_array_equal(pixels, expected)


def test_pad_keeps_what_crop_cuts_off():
    image = encoded(banded((64, 16), (0, 0, 8, 16)))
    assert pixels_of(image, 16).max() == 0
    padded = pixels_of(image, 16, fit="pad")
    assert rows_of(padded, ORANGE) == [*range(6), *range(10, 16)]
    assert (padded[6:10, 0] == 255).all()


@pytest.mark.parametrize("resolution", [16, (12, 16), (16, 12)])
def test_crop_and_pad_agree_on_images_of_the_aspect_of_the_resolution(resolution, noise):
    height, width = (3 * side for side in ImageOptions(resolution=resolution).resolution)
    data = encoded(noise(0, width, height))
    np.testing.assert_array_equal(
        pixels_of(data, resolution, fit="pad"), pixels_of(data, resolution, fit="crop")
    )


def test_transparent_pixels_and_bars_have_one_color():
    image = Image.new("RGBA", (40, 20))
    for channels in (1, 3):
        pixels = pixels_of(encoded(image), (12, 16), fit="pad", channels=channels)
        assert len(np.unique(pixels.reshape(-1, channels), axis=0)) == 1


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(1000, 10), (10, 1000), (1, 1), (1, 1000), (1000, 1), (3, 2)])
@pytest.mark.parametrize("resolution", [(4, 1024), (1024, 4), (16, 24), 8])
def test_extreme_aspects_give_pixels(size, resolution, fit):
    pixels = pixels_of(encoded(Image.new("RGB", size, ORANGE)), resolution, fit=fit)
    assert (pixels == ORANGE).all()


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("resolution", [(18, 30), (30, 18), (11, 16)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_jpeg_is_decoded_like_its_upright_pixels(photograph, orientation, resolution, fit):
    data = encoded(photograph(403, 263), "JPEG", orientation, quality=90)
    upright = Image.open(io.BytesIO(data))
    upright.load()
    whole = encoded(_upright(upright, orientation))
    drafted, full = (pixels_of(each, resolution, fit=fit).astype(int) for each in (data, whole))
    assert np.abs(drafted - full).mean() < 1
    assert rows_of(drafted, ORANGE) == rows_of(full, ORANGE)
    assert columns_of(drafted, ORANGE) == columns_of(full, ORANGE)


def _upright(image, orientation):
    plain = Image.fromarray(np.asarray(image))
    names = (
        "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE",
        "ROTATE_90",
    )  # fmt: skip
    if orientation == 1:
        return plain
    return plain.transpose(Image.Transpose[names[orientation - 2]])


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_drafted_for_the_sides_that_it_has_upright(orientation, noise, monkeypatch):
    needed, draft = [], JpegImagePlugin.JpegImageFile.draft

    def record(image, mode, size):
        needed.append(size)
        return draft(image, mode, size)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", record)
    size = (76, 38) if orientation == 1 else (38, 76)
    pixels_of(encoded(noise(0, *size), "JPEG", orientation), (8, 16))
    assert needed == [(48, 24) if orientation == 1 else (24, 48)]


@pytest.mark.parametrize(
    ("size", "accepted"),
    [((16, 12), True), ((100, 12), True), ((15, 100), False), ((100, 11), False)],
)
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_each_side_must_have_half_of_the_pixels(size, accepted, orientation, kind):
    stored = size if orientation == 1 else size[::-1]
    data = encoded(Image.new("RGB", stored, WHITE), kind, orientation)
    if accepted:
        assert pixels_of(data, (24, 32), min_size=None).shape == (24, 32, 3)
        return
    with pytest.raises(RejectedImage, match=r"^smaller than 16x12 pixels \(min_size, "):
        pixels_of(data, (24, 32), min_size=None)


def test_a_min_size_is_of_the_shorter_side():
    data = encoded(Image.new("RGB", (20, 5), WHITE))
    assert pixels_of(data, (24, 32), min_size=5).shape == (24, 32, 3)
    with pytest.raises(RejectedImage, match=r"^smaller than 6 pixels \(min_size, "):
        pixels_of(data, (24, 32), min_size=6)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_header_has_the_size_that_the_decoded_image_has(kind, noise):
    for orientation in ORIENTATIONS:
        data = encoded(noise(0, 60, 40), kind, orientation)
        options = ImageOptions(resolution=16)
        header, image = (read(io.BytesIO(data), options) for read in (read_header, decode))
        assert (header.width, header.height) == (image.source_width, image.source_height)


def test_a_damaged_orientation_is_none():
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1")
    stream.seek(0)
    header = read_header(stream, ImageOptions(resolution=16))
    assert (header.width, header.height) == (60, 40)
    assert pixels_of(stream.getvalue(), (8, 16)).shape == (8, 16, 3)


def test_a_square_jpeg_has_the_same_pixels_as_ever(noise):
    """A change would give all images of a data set other hashes, and so another split."""
    digest = hashlib.sha256()
    for size in ((301, 257), (500, 375), (1003, 751), (257, 263)):
        for orientation in (1, 3, 6):
            data = encoded(noise(0, *size), "JPEG", orientation, quality=90)
            digest.update(pixels_of(data, 16).tobytes())
            digest.update(pixels_of(data, 31).tobytes())
    assert digest.hexdigest()[:16] == "06c640bbef7abf63"


def test_the_options_of_squares_are_written_as_before_there_were_rectangles():
    assert ImageOptions(resolution=64).model_dump()["resolution"] == 64
    assert '"resolution":64,' in ImageOptions(resolution=[64, 64]).model_dump_json()
    assert ImageOptions(resolution=[48, 64]).model_dump()["resolution"] == [48, 64]


@pytest.mark.parametrize(
    "resolution",
    [3, 1025, [48], [48, 64, 3], [3, 64], [48, 64.5], [True, 64], "64", None, {"height": 48}, []],
)
def test_another_resolution_is_refused_in_one_line(resolution):
    with pytest.raises(
        ValueError, match=r"resolution\n.*a square or \[height, width\], of 4 to 10"
    ):
        ImageOptions(resolution=resolution)
