import errno
import hashlib
import io
import os
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from components.image_example_gen import reasons
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.image_decode import decode, decode_as_shown
from components.image_example_gen.options import ImageOptions


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels_of(data, resolution=8, channels=3, **options):
    return decoded(data, resolution, channels, **options).pixels


def decoded(data, resolution=8, channels=3, **options):
    options = {"min_size": 1, "resolution": resolution, "channels": channels, **options}
    return decode(io.BytesIO(data), ImageOptions(**options))


def flat(mode, value, size=(8, 8)):
    return Image.new(mode, size, value)


FORMATS = [
    ("JPEG", {"quality": 95}, 6),
    ("PNG", {}, 0),
    ("WEBP", {"lossless": True}, 0),
    ("GIF", {}, 0),
    ("BMP", {}, 0),
    ("TIFF", {}, 0),
    ("TIFF", {"compression": "tiff_lzw"}, 0),
    ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 6),
]


@pytest.mark.parametrize(("kind", "save", "tolerance"), FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_gives_uint8_pixels_of_the_requested_shape(kind, save, tolerance, channels):
    pixels = pixels_of(encoded(flat("RGB", (200, 40, 90)), kind, **save), 8, channels)
    assert pixels.shape == (8, 8, channels)
    assert pixels.dtype == np.uint8
    expected = (200, 40, 90) if channels == 3 else (94,)  # luma of ITU-R 601
    assert np.abs(pixels.astype(int) - expected).max() <= tolerance


# A value in each mode, a file format with that mode, and the RGB value.
MODES = [
    ("1", 255, "PNG", (255, 255, 255)),
    ("L", 77, "PNG", (77, 77, 77)),
    ("LA", (77, 255), "PNG", (77, 77, 77)),
    ("LA", (77, 0), "PNG", (0, 0, 255)),
    ("P", 0, "PNG", (10, 20, 30)),
    ("RGB", (10, 20, 30), "PNG", (10, 20, 30)),
    ("RGBA", (10, 20, 30, 255), "PNG", (10, 20, 30)),
    ("RGBA", (10, 20, 30, 0), "PNG", (0, 0, 255)),
    ("RGBA", (100, 200, 50, 51), "PNG", (20, 40, 214)),
    ("RGBX", (10, 20, 30, 0), "TIFF", (10, 20, 30)),
    ("CMYK", (255, 0, 0, 0), "TIFF", (0, 255, 255)),
    ("CMYK", (0, 255, 255, 0), "JPEG", (255, 0, 0)),
    ("I;16", 0x8080, "PNG", (128, 128, 128)),
    ("I;16", 0xFFFF, "TIFF", (255, 255, 255)),
    ("I;16B", 0x0101, "TIFF", (1, 1, 1)),
    ("I", 0x4040, "TIFF", (64, 64, 64)),
    ("F", 0.5, "TIFF", (128, 128, 128)),
    ("F", 200.0, "TIFF", (200, 200, 200)),
]


@pytest.mark.parametrize(("mode", "value", "kind", "rgb"), MODES)
def test_every_mode_is_converted_to_rgb(mode, value, kind, rgb):
    image = flat(mode, value)
    if mode == "P":
        image.putpalette([10, 20, 30, 40, 50, 60])
    pixels = pixels_of(encoded(image, kind), background="#0000ff")
    assert np.abs(pixels.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize(("channels", "expected"), [(1, (76,)), (3, (255, 0, 0))])
def test_lab_tiff_is_converted_through_color_profiles(channels, expected):
    red = flat("RGB", (255, 0, 0))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    data = encoded(ImageCms.profileToProfile(red, srgb, lab, outputMode="LAB"), "TIFF")
    assert Image.open(io.BytesIO(data)).mode == "LAB"
    assert np.abs(pixels_of(data, channels=channels).astype(int) - expected).max() <= 6


def test_a_transparent_palette_entry_shows_the_background():
    image = flat("P", 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.paste(0, (0, 0, 4, 8))
    pixels = pixels_of(encoded(image, transparency=0), background="#00ff00")
    assert pixels[0, 0].tolist() == [0, 255, 0]
    assert pixels[0, 7].tolist() == [40, 50, 60]


def test_16_bit_values_are_scaled_over_the_whole_range():
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = pixels_of(encoded(Image.fromarray(ramp)), channels=1)[..., 0]
    assert pixels.ravel().tolist() == np.rint(ramp / 257).astype(int).ravel().tolist()


def tiff(pixels, kind, bits, *, samples=1, tags=()):
    """An uncompressed TIFF of 8 x 8 pixels; `kind` is 1 for integers and 3 for floats."""
    photometric = 2 if samples == 3 else 1
    entries = {256: 8, 257: 8, 258: bits, 259: 1, 262: photometric, 277: samples, 278: 8, 339: kind}
    entries |= {279: len(pixels), **dict(tags)}
    entries[273] = 8 + 2 + 12 * (len(entries) + 1) + 4  # where the pixels begin
    directory = struct.pack("<4sIH", b"II*\0", 8, len(entries))
    for tag in sorted(entries):
        directory += struct.pack("<HHIHH", tag, 3, 1, entries[tag], 0)  # Pillow repeats one value
    return directory + bytes(4) + pixels


def test_12_bit_data_in_a_16_bit_file_is_noted():
    ramp = (np.arange(64, dtype=np.uint16) * 65).reshape(8, 8)  # 0 to 4095
    assert decoded(tiff(ramp.tobytes(), 1, 16), channels=1).notes == (reasons.NEARLY_BLACK,)
    assert decoded(encoded(Image.fromarray(ramp))).notes == (reasons.NEARLY_BLACK,)
    assert decoded(encoded(flat("RGB", (16, 16, 16)))).notes == (reasons.NEARLY_BLACK,)
    assert decoded(encoded(flat("RGB", (16, 17, 16)))).notes == ()


def tiff_in_planes(values, bits=8, photometric=2, compression=1, extra=None):
    """A TIFF of 8 x 8 pixels of one color; each of its channels is a strip."""
    strips = [struct.pack("<64" + {8: "B", 16: "H"}[bits], *[value] * 64) for value in values]
    if compression == 8:
        strips = [zlib.compress(strip) for strip in strips]
    entries = {256: [8], 257: [8], 258: [bits] * len(strips), 259: [compression]}
    entries |= {262: [photometric], 273: [], 277: [len(strips)], 278: [8]}
    entries |= {279: [len(strip) for strip in strips], 284: [2]}
    if extra:
        entries[338] = [extra]
    content = bytearray(b"II*\0" + bytes(4))
    for strip in strips:
        entries[273].append(len(content))
        content += strip
    directory = struct.pack("<H", len(entries))
    for tag in sorted(entries):
        numbers = entries[tag]
        value = struct.pack(f"<{len(numbers)}H", *numbers)
        if len(value) > 4:
            content += value
            value = struct.pack("<I", len(content) - len(value))
        directory += struct.pack("<HHI4s", tag, 3, len(numbers), value)
    content[4:8] = struct.pack("<I", len(content))
    return bytes(content + directory + bytes(4))


@pytest.mark.parametrize("compression", [1, 8])
def test_a_gray_tiff_of_one_plane_is_read(compression):
    pixels = pixels_of(tiff_in_planes((200,), photometric=1, compression=compression))
    np.testing.assert_array_equal(pixels, np.full((8, 8, 3), 200))


def with_chunk(png, kind, content):
    """A PNG with a chunk before its pixels."""
    at = png.index(b"IDAT") - 4
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return png[:at] + struct.pack(">I", len(content)) + kind + content + checksum + png[at:]


def plain_png(bits, color, row):
    """A PNG of 8x8 pixels whose rows are all the same."""
    header = struct.pack(">IIBBBBB", 8, 8, bits, color, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress((b"\0" + row) * 8)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def white_is_zero():
    """A gray TIFF of 16 bits in which 0 is white, as in scans of film."""
    entry = struct.pack("<HHIH", ExifTags.Base.PhotometricInterpretation, 3, 1, 1)
    return encoded(flat("I;16", 0x0100), "TIFF").replace(entry, entry[:-2] + bytes(2))


RARE_KINDS = {
    "32-bit integers": encoded(flat("I", 70_000), "TIFF"),
    "negative integers": encoded(flat("I", -1), "TIFF"),
    "large floats": encoded(flat("F", 256.0), "TIFF"),
    "NaN": encoded(flat("F", float("nan")), "TIFF"),
    "floats of 16 bits": tiff(bytes(128), 3, 16),
    "color as floats": tiff(bytes(768), 3, 32, samples=3),
    "gray of 16 bits with alpha": tiff(bytes(256), 1, 16, samples=2, tags={338: 2}),
    "12 bits": tiff(bytes(96), 1, 12),
    "white is zero": white_is_zero(),
    "planes": tiff_in_planes((200, 100, 50)),
    "compressed planes": tiff_in_planes((200, 100, 50), compression=8),
    "planes of CMYK": tiff_in_planes((55, 155, 205, 0), photometric=5),
    "planes with alpha": tiff_in_planes((200, 255), photometric=1, extra=2),
    "a plane of 16 bits": tiff_in_planes((200,), bits=16, photometric=1),
    "transparent color, 2 bits": with_chunk(plain_png(2, 0, b"\xff\x00"), b"tRNS", b"\0\3"),
    "transparent color, 16 bits": encoded(flat("I;16", 0x1234), transparency=0x1234),
    "transparent color, 3 x 16 bits": with_chunk(plain_png(16, 2, bytes(48)), b"tRNS", bytes(6)),
}


@pytest.mark.parametrize("kind", RARE_KINDS)
def test_what_pillow_would_misread_is_rejected_with_a_remedy(kind):
    with pytest.raises(RejectedImage, match=f"^{reasons.RARE}$"):
        pixels_of(RARE_KINDS[kind])


# The transposition that shows the stored image upright (EXIF 2.3, tag 274).
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation, kind, noise):
    image = noise(0, 8, 8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pixels = pixels_of(encoded(image, kind, exif=exif))
    assert np.array_equal(pixels, UPRIGHT[orientation](np.asarray(image)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_source_size_is_that_after_orientation(orientation, kind, noise):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    # Both sides of the drafted JPEG have 128 pixels: its shape does not show the rotation.
    data = encoded(noise(0, 255, 256), kind, exif=exif)
    image = decode(io.BytesIO(data), ImageOptions(resolution=16))
    expected = (256, 255) if orientation >= 5 else (255, 256)
    assert (image.source_width, image.source_height) == expected


def test_a_broken_exif_block_does_not_reject_the_image():
    data = encoded(flat("RGB", (200, 40, 90)), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1")
    assert np.abs(pixels_of(data).astype(int) - (200, 40, 90)).max() == 0


def test_the_first_frame_of_a_gif_counts():
    frames = [flat("RGB", color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels_of(data)[4, 4].tolist() == [255, 0, 0]


def test_the_central_square_is_kept():
    image = flat("RGB", (0, 0, 0), (24, 8))
    image.paste((255, 255, 255), (8, 0, 16, 8))
    assert pixels_of(encoded(image)).min() == 255
    assert pixels_of(encoded(image.transpose(Image.Transpose.ROTATE_90))).min() == 255


def test_resizing_averages_instead_of_skipping_pixels():
    board = (np.indices((128, 128)).sum(0) % 2 * 255).astype(np.uint8)
    assert (
        np.abs(pixels_of(encoded(Image.fromarray(board)))[1:-1, 1:-1].astype(int) - 127).max() <= 2
    )


def undrafted(data, side):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    square = image.crop((left, top, left + edge, top + edge))
    return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC)).astype(int)


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("size", [(256, 256), (301, 257), (500, 375), (1003, 751), (2051, 1367)])
@pytest.mark.parametrize("kind", ["photograph", "noise"])
def test_a_drafted_jpeg_has_the_pixels_of_a_full_decoding(photograph, noise, kind, size, side):
    image = photograph(*size) if kind == "photograph" else noise(0, *size)
    data = encoded(image, "JPEG", quality=90)
    difference = np.abs(pixels_of(data, side) - undrafted(data, side))
    assert difference.mean() < 1
    assert difference.max() < 10


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_drafted_jpeg_is_not_shifted_whatever_its_orientation(photograph, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = photograph(257, 263)  # a draft of it has almost a pixel too much in both directions
    data = encoded(image, "JPEG", quality=90, exif=exif)
    upright = UPRIGHT[orientation](np.asarray(Image.open(io.BytesIO(data))))
    whole = encoded(Image.fromarray(np.ascontiguousarray(upright)), "PNG")
    difference = np.abs(pixels_of(data, 11).astype(int) - pixels_of(whole, 11))
    assert difference.mean() < 1


def test_a_large_jpeg_is_decoded_faster_than_it_is_loaded(photograph):
    data = encoded(photograph(1501, 1003), "JPEG")

    def fastest(work):
        """The least processor time of several, since the first ones and a busy core take longer."""
        seconds = []
        for _ in range(5):
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
        return min(seconds)

    full = fastest(lambda: Image.open(io.BytesIO(data)).load())
    assert fastest(lambda: pixels_of(data, 32)) < full


def stored_pngs():
    """PNGs of every kind without a color profile: name, image, options of its file."""
    rng = np.random.default_rng(0)

    def random(*shape, top=256, dtype=np.uint8):
        return Image.fromarray(rng.integers(0, top, shape, dtype=dtype))

    yield "gray", random(64, 64), {}
    yield "color", random(70, 101, 3), {}
    yield "large color", random(333, 500, 3), {}
    yield "transparent", random(90, 60, 4), {}
    yield "gray and alpha", random(40, 61, 2), {}
    yield "palette", random(50, 50, 3).quantize(16), {"transparency": 3}
    yield "color key", random(30, 33, 3, top=4), {"transparency": (1, 2, 3)}
    yield "16 bits", random(45, 77, top=65536, dtype=np.uint16), {}
    yield "small", random(9, 20, 3), {}
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    yield "turned", random(77, 120, 3), {"exif": exif}


# The first digits of the SHA-256 of the pixels, gray and color: a change would give all images of
# a data set other hashes, and so another split.
PIXELS = {
    "gray": "14e3816becd4a605",
    "color": "cc6bf96efda3b500",
    "large color": "88c4aba4e76929bc",
    "transparent": "2ab7ad10f4b17ee7",
    "gray and alpha": "b34ebbf0c8b0080a",
    "palette": "bc38855217d25b52",
    "color key": "5a8c3f23410e9c11",
    "16 bits": "7b69578c6ad00ea2",
    "small": "fda748301434bf99",
    "turned": "35bdc431ad9dfbdd",
}


def test_a_png_without_a_color_profile_has_the_same_pixels_as_ever():
    hashes = {}
    for name, image, save in stored_pngs():
        data = encoded(image, **save)
        pixels = [pixels_of(data, 16, channels, background="#ff8000") for channels in (1, 3)]
        digest = hashlib.sha256(b"".join(each.tobytes() for each in pixels))
        hashes[name] = digest.hexdigest()[:16]
    assert hashes == PIXELS


@pytest.mark.parametrize("size", [(300, 70), (70, 300), (64, 64), (129, 127)])
def test_a_drafted_jpeg_never_falls_below_the_resolution(size, noise):
    # Stripes of two pixels survive at full scale and vanish if the draft is too small.
    stripes = np.zeros((size[1], size[0], 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = pixels_of(encoded(Image.fromarray(stripes), "JPEG", quality=100), min(size))
    assert pixels.std() > 100


@pytest.mark.parametrize(("kind", "save", "_"), FORMATS)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9])
def test_a_truncated_file_is_rejected(kind, save, _, kept, noise):
    data = encoded(noise(0, 64, 48), kind, **save)
    with pytest.raises(RejectedImage, match=r"^(truncated|damaged.*|not an image|empty file)$"):
        pixels_of(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just some text, renamed", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not an image"),
        (b"P6 8 8 255\n" + bytes(192), "not an image"),
        (bytes(5000), "not an image"),
        (
            b"\0\0\0\x18ftypheic" + bytes(100),
            "HEIC or video: convert it to JPEG or PNG",
        ),
        (
            b"\0\0\0\x18ftypmif1" + bytes(100),
            "HEIC or video: convert it to JPEG or PNG",
        ),
    ],
)
def test_a_file_in_no_supported_format_is_rejected(data, reason):
    with pytest.raises(RejectedImage, match=f"^{reason}$"):
        pixels_of(data)


class Failing(io.BytesIO):
    """A file on a disk that fails after some bytes."""

    def __init__(self, content, good, error):
        super().__init__(content)
        self.good, self.error = good, error

    def read(self, size=-1):
        if self.tell() >= self.good:
            raise self.error
        return super().read(size)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
@pytest.mark.parametrize("good", [0, 20, 400])
def test_an_error_of_the_disk_or_the_machine_is_no_damage(noise, good, error):
    content = io.BytesIO()
    noise(0, 64).save(content, "PNG")
    with pytest.raises(OSError, match=r"Input/output error|not enough memory"):
        decode(Failing(content.getvalue(), good, error), ImageOptions(resolution=8))


def test_a_decompression_bomb_is_rejected_by_its_header(bomb):
    with pytest.raises(RejectedImage, match=r"^more than max_pixels 100000000$"):
        pixels_of(bomb)


def test_max_pixels_is_the_limit_itself():
    data = encoded(flat("RGB", (1, 2, 3), (10, 10)))
    assert pixels_of(data, max_pixels=100).shape == (8, 8, 3)
    with pytest.raises(RejectedImage, match=r"^more than max_pixels 99$"):
        pixels_of(data, max_pixels=99)


@pytest.mark.parametrize(("kind", "save", "_"), FORMATS)
def test_random_damage_gives_pixels_or_a_short_reason(kind, save, _, noise):
    data = encoded(noise(0, 32, 24), kind, **save)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 4):
            damaged[at] = rng.integers(256)
        try:
            assert pixels_of(bytes(damaged)).shape == (8, 8, 3)
        except RejectedImage as reason:
            assert len(str(reason)) < 100


def test_threads_do_not_affect_one_another(noise):
    data = [encoded(noise(seed, 60, 60), "JPEG") for seed in range(8)]
    alone = [pixels_of(item) for item in data]
    together = [None] * 8

    def work(index):
        together[index] = pixels_of(data[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def without_chunk(png, kind):
    """A PNG without the chunks of a kind."""
    at, kept = 8, png[:8]
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        kept += b"" if png[at + 4 : at + 8] == kind else png[at:end]
        at = end
    return kept


@pytest.mark.parametrize("damage", ["no palette", "more transparent colors than there are"])
def test_a_png_whose_palette_is_damaged_is_rejected(damage):
    image = flat("P", 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    png = encoded(image)
    if damage == "no palette":
        png = without_chunk(png, b"PLTE")
    else:
        png = with_chunk(png, b"tRNS", bytes(range(256)) + bytes(44))
    for read in (decode, decode_as_shown):
        with pytest.raises(RejectedImage, match=r"^damaged$"):
            read(io.BytesIO(png), ImageOptions(min_size=1, resolution=8, channels=3))


def test_a_jpeg_of_very_many_scans_is_rejected():
    jpeg = io.BytesIO()
    Image.new("L", (64, 64), 99).save(jpeg, "JPEG", progressive=True)
    content = jpeg.getvalue()
    assert pixels_of(content).shape == (8, 8, 3)
    start = content.rindex(b"\xff\xda")
    scans = content[:-2] + content[start:-2] * 101 + content[-2:]
    with pytest.raises(RejectedImage, match="more than 100 scans"):
        decoded(scans)


@pytest.mark.parametrize("start", [b"RIFF\0\0\0\0WEBP", b"\0\0\0\x20ftypavif"])
def test_a_large_file_that_would_be_read_whole_is_not(tmp_path, start):
    with (tmp_path / "huge.webp").open("wb") as file:
        file.write(start)
        file.truncate(2**40)
    with pytest.raises(OSError, match="more than 256 MiB"), ImageReader(str(tmp_path)) as reader:
        reader.open(ImageFile("huge.webp"))
    (tmp_path / "large.png").touch()
    os.truncate(tmp_path / "large.png", 2**29)
    with ImageReader(str(tmp_path)) as reader, reader.open(ImageFile("large.png")) as stream:
        assert stream.read(1) == b"\0"
