import io
import threading
import time

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from components.image_example_gen.decode import RejectedImage, decode, flatten
from components.image_example_gen.options import ImageOptions


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels_of(data, resolution=8, channels=3, **options):
    options = ImageOptions(resolution=resolution, channels=channels, **options)
    return decode(io.BytesIO(data), options).pixels


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


@pytest.mark.parametrize(
    ("mode", "value", "rgb"),
    [
        ("HSV", (85, 255, 255), (0, 255, 0)),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("PA", (0, 0), (0, 0, 255)),
        ("RGBa", (0, 0, 0, 0), (0, 0, 255)),
        ("RGBa", (50, 25, 0, 128), (50, 25, 127)),
    ],
)
def test_modes_that_no_file_format_has_are_flattened_too(mode, value, rgb):
    pixels = np.asarray(flatten(flat(mode, value), "#0000ff")).astype(int)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels - rgb).max() <= 2


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


def test_a_transparent_color_of_a_16_bit_gray_png_shows_the_background():
    image = flat("I;16", 0x1234)
    image.paste(0xFFFF, (0, 0, 4, 8))
    pixels = pixels_of(encoded(image, transparency=0x1234), background="#0000ff")
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 7].tolist() == [0, 0, 255]


def test_16_bit_values_are_scaled_over_the_whole_range():
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = pixels_of(encoded(Image.fromarray(ramp)), channels=1)[..., 0]
    assert pixels.ravel().tolist() == np.rint(ramp / 257).astype(int).ravel().tolist()


@pytest.mark.parametrize(
    ("mode", "value", "reason"),
    [
        ("I", 70_000, "integer pixels outside 0 to 65535"),
        ("I", -1, "integer pixels outside 0 to 65535"),
        ("F", 256.0, "float pixels outside 0 to 255"),
        ("F", float("nan"), "float pixels outside 0 to 255"),
    ],
)
def test_values_of_unknown_white_are_rejected(mode, value, reason):
    with pytest.raises(RejectedImage, match=reason):
        pixels_of(encoded(flat(mode, value), "TIFF"))


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


def test_small_images_are_enlarged_down_to_min_size():
    data = encoded(flat("RGB", (1, 2, 3), (3, 5)))
    assert pixels_of(data, 16, min_size=3).shape == (16, 16, 3)
    with pytest.raises(RejectedImage, match=r"^smaller than min_size 4$"):
        pixels_of(data, 16, min_size=4)


def test_a_large_jpeg_is_decoded_at_reduced_scale_with_nearly_the_same_pixels():
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    large = coarse.resize((3072, 2048), Image.Resampling.BICUBIC)
    drafted = pixels_of(encoded(large, "JPEG", quality=95), 32).astype(int)
    whole = pixels_of(encoded(large, "BMP"), 32).astype(int)
    assert np.abs(drafted - whole).mean() < 1.0

    data, options = encoded(large, "JPEG"), ImageOptions(resolution=32)
    start = time.process_time()
    Image.open(io.BytesIO(data)).load()
    full = time.process_time() - start
    start = time.process_time()
    decode(io.BytesIO(data), options)
    assert time.process_time() - start < full


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
    with pytest.raises(RejectedImage, match=r"^(truncated|damaged|not an image|empty file)$"):
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
    ],
)
def test_a_file_in_no_supported_format_is_rejected(data, reason):
    with pytest.raises(RejectedImage, match=f"^{reason}$"):
        pixels_of(data)


def test_a_truncated_jpeg_or_png_is_reported_as_truncated(noise):
    for kind in ("JPEG", "PNG"):
        data = encoded(noise(0, 64, 48), kind)
        with pytest.raises(RejectedImage, match=r"^truncated$"):
            pixels_of(data[: len(data) // 2])


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
            assert len(str(reason)) < 40


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
