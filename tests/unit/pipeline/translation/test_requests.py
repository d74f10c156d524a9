"""Image files as they are sent to a model that translates."""

import io
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_decode import decode
from components.image_example_gen.options import ImageOptions
from pipeline.translation import requests
from pipeline.translation.requests import to_request

SHAPE = (16, 16, 3)


def picture(mode="RGB", size=(40, 30)):
    values = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC).convert(mode)


def stored(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif


XMP = '<rdf:Description tiff:Orientation="6"/>'  # the part of a packet that is read


def turned_by_text(keyword, text):
    info = PngInfo()
    info.add_itxt(keyword, text)
    return stored(picture(), "PNG", pnginfo=info)


def turned_after_the_pixels():
    """A PNG with a chunk of EXIF after those of the pixels."""
    data = b"eXIf" + turned().tobytes().removeprefix(b"Exif\0\0")
    chunk = (len(data) - 4).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")
    content = stored(picture(), "PNG")
    return content[:-12] + chunk + content[-12:]  # before the last one, which is empty


def ingested(content):
    return decode(io.BytesIO(content), ImageOptions(resolution=16, min_size=1)).pixels.astype(int)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("L", "PNG"), ("P", "PNG"), ("RGB", "JPEG"), ("L", "JPEG")],
)
def test_what_the_model_reads_is_sent_as_it_is(mode, kind):
    content = stored(picture(mode), kind)
    assert to_request(content, SHAPE) is content


def turned_in_its_thumbnail():
    """A JPEG whose orientation is that of the thumbnail alone, in the second directory of EXIF."""
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
    first, second = b"\0\0" + (14).to_bytes(4, "little"), b"\x01\x00" + entry + bytes(4)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second


@pytest.mark.parametrize(
    "exif",
    [
        turned_in_its_thumbnail(),
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x06" + bytes(4),  # as a LONG
    ],
    ids=["thumbnail", "long"],
)
def test_a_jpeg_that_the_model_would_turn_otherwise_than_ingest_is_converted(exif):
    content = stored(picture(), "JPEG", exif=exif)
    sent = to_request(content, SHAPE)
    assert sent is not content
    assert np.abs(ingested(sent) - ingested(content)).max() <= 3


def test_the_model_turns_a_jpeg_itself():
    content = stored(picture(), "JPEG", exif=turned())
    assert to_request(content, SHAPE) is content


@pytest.mark.parametrize(
    "content",
    [
        stored(picture("RGBA"), "WEBP", lossless=True),
        stored(picture(), "AVIF", quality=100),
        stored(picture(), "TIFF"),
        stored(picture("CMYK"), "JPEG"),
        stored(picture(), "PNG", exif=turned()),
        stored(picture("P"), "GIF"),
    ],
    ids=["webp", "avif", "tiff", "cmyk", "turned png", "gif"],
)
def test_other_files_are_sent_as_ingest_decodes_them(content):
    sent = to_request(content, SHAPE)
    with Image.open(io.BytesIO(sent)) as image:
        assert image.format == "PNG"
    np.testing.assert_array_equal(ingested(sent), ingested(content))


@pytest.mark.parametrize(
    "content",
    [
        turned_by_text("Raw profile type exif", f"\nexif\n1\n{turned().tobytes().hex()}"),
        turned_after_the_pixels(),
        turned_by_text("XML:com.adobe.xmp", XMP),
        stored(picture(), "JPEG", xmp=XMP.encode()),
    ],
    ids=["text", "after the pixels", "xmp", "xmp in jpeg"],
)
def test_what_ingest_turns_for_another_reason_than_exif_in_front_is_sent_upright(content):
    sent = to_request(content, SHAPE)
    with Image.open(io.BytesIO(sent)) as image:
        assert image.size == (30, 40)
    np.testing.assert_array_equal(ingested(sent), ingested(content))


def test_colors_are_converted_from_the_profile_of_a_file():
    srgb, lab = (
        ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("sRGB", "LAB")
    )
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    content = stored(Image.new("RGB", (20, 20), (200, 100, 30)), "PNG", icc_profile=swapped)
    sent = to_request(content, SHAPE)
    assert np.abs(ingested(sent)[8, 8] - (30, 100, 200)).max() <= 2
    np.testing.assert_array_equal(ingested(sent), ingested(content))
    ignored = stored(picture(), "PNG", icc_profile=lab)
    np.testing.assert_array_equal(ingested(to_request(ignored, SHAPE)), ingested(ignored))


def test_a_hole_stays_transparent():
    image = picture("RGBA")
    image.putalpha(Image.fromarray(np.where(np.eye(30, 40) > 0, 0, 255).astype(np.uint8)))
    with Image.open(io.BytesIO(to_request(stored(image, "WEBP", lossless=True), SHAPE))) as sent:
        np.testing.assert_array_equal(sent.getchannel("A"), image.getchannel("A"))


def test_what_is_larger_than_the_model_takes_is_reduced(monkeypatch):
    monkeypatch.setattr(requests, "MAX_PIXELS", 40 * 30)
    content = stored(picture(size=(100, 75)), "PNG")
    sent = to_request(content, SHAPE)
    with Image.open(io.BytesIO(sent)) as image:
        assert image.size == (40, 30)
    assert np.abs(ingested(sent) - ingested(content)).mean() < 4


@pytest.mark.parametrize("mode", ["1", "P"])
def test_bitmaps_and_palettes_are_reduced_as_smoothly_as_other_pictures(monkeypatch, mode):
    monkeypatch.setattr(requests, "MAX_PIXELS", 20 * 20)
    checks = Image.fromarray((np.indices((200, 200)).sum(0) % 2 * 255).astype(np.uint8)).convert(
        mode
    )
    for content in (stored(checks, "PNG"), stored(checks, "PNG", transparency=0)):
        with Image.open(io.BytesIO(to_request(content, SHAPE))) as image:
            assert image.size == (20, 20)
            averages = np.asarray(image.getchannel(image.getbands()[-1]))[2:-2, 2:-2]
        assert np.abs(averages.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"text", "not an image"),
        (b"\0\0\0\x18ftypheic", "HEIC or video: convert it to JPEG or PNG"),
        (stored(picture(), "WEBP")[:60], "damaged|truncated"),
    ],
)
def test_what_is_no_image_is_rejected_with_the_reason(content, reason):
    with pytest.raises(RejectedImage, match=reason):
        to_request(content, SHAPE)
