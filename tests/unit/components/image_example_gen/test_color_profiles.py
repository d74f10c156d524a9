import io
import struct
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageCms

from components.image_example_gen.image_decode import MAX_PROFILE_BYTES, decode
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import PROFILE_IGNORED

SIZE = (16, 16)
SRGB = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7142)}
DISPLAY_P3 = {
    "r": (0.5151, 0.2412, -0.0011),
    "g": (0.2920, 0.6922, 0.0419),
    "b": (0.1571, 0.0666, 0.7841),
}  # XYZ of the primaries, adapted to D50
SWAPPED = {"r": SRGB["b"], "g": SRGB["g"], "b": SRGB["r"]}


def fixed(value):
    return struct.pack(">i", round(value * 65536))


def profile(kind, space, tags):
    """An ICC profile of version 2 (ICC.1:2001-04); `kind` is its class."""
    tags = {**tags, "wtpt": xyz(0.9642, 1, 0.8249), "desc": b"desc" + bytes(86)}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name.encode(), start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    pcs = b"Lab " if "A2B0" in tags else b"XYZ "
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, kind, space, pcs)
    header += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642) + fixed(1) + fixed(0.8249) + bytes(48)
    return header + struct.pack(">I", len(tags)) + table + body


def xyz(*values):
    return b"XYZ " + bytes(4) + b"".join(map(fixed, values))


def gamma(value):
    return b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(value * 256))


def rgb_profile(primaries, exponent=2.2):
    tags = {f"{color}XYZ": xyz(*values) for color, values in primaries.items()}
    return profile(b"mntr", b"RGB ", tags | {f"{c}TRC": gamma(exponent) for c in primaries})


def gray_profile(exponent):
    return profile(b"mntr", b"GRAY", {"kTRC": gamma(exponent)})


def cmyk_profile():
    """A press whose cyan prints red (Lab 54, 81, 70), and magenta and yellow nothing."""
    white, red, black = b"\xff\x80\x80", bytes([138, 209, 198]), b"\0\x80\x80"
    grid = b"".join(black if k else (white, red)[c] for c, _, _, k in product((0, 1), repeat=4))
    identity = bytes(range(256))
    matrix = b"".join(fixed(value) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + identity * 4 + grid + identity * 3
    return profile(b"prtr", b"CMYK", {"A2B0": lut})


def decoded(mode, color, icc, kind="PNG", channels=3, image=None, **save):
    stream = io.BytesIO()
    image = image or Image.new(mode, SIZE, color)
    image.save(stream, kind, icc_profile=icc, **save)
    stream.seek(0)
    return decode(stream, ImageOptions(resolution=16, channels=channels, background="#0000ff"))


def assert_color(image, expected, tolerance=2):
    assert image.notes == ()
    assert np.abs(image.pixels.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("kind", "save", "tolerance"),
    [
        ("PNG", {}, 2),
        ("JPEG", {"quality": 100}, 3),
        ("WEBP", {"lossless": True}, 2),
        ("TIFF", {}, 2),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 6),
    ],
)
def test_colors_are_converted_from_the_profile_of_every_format(kind, save, tolerance):
    swapped = decoded("RGB", (200, 100, 30), rgb_profile(SWAPPED), kind, **save)
    assert_color(swapped, (30, 100, 200), tolerance + 4)  # gamma 2.2 is not quite that of sRGB


def test_colors_of_display_p3_become_those_of_srgb():
    encoded = np.array([160, 100, 60])
    light = (encoded / 255) ** 2.2
    light = np.linalg.inv(np.array([*SRGB.values()]).T) @ np.array([*DISPLAY_P3.values()]).T @ light
    expected = (1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert expected[0] > 165  # otherwise the test would show nothing
    assert_color(decoded("RGB", tuple(encoded), rgb_profile(DISPLAY_P3)), expected)


def test_the_profile_srgb_changes_nothing():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_color(decoded("RGB", None, srgb, image=image), np.asarray(image), 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_gray_profile_is_applied(mode, channels):
    linear = 255 * (1.055 * (100 / 255) ** (1 / 2.4) - 0.055)
    color = 100 if mode == "L" else (100, 255)
    assert_color(decoded(mode, color, gray_profile(1.0), channels=channels), linear)


def test_a_profile_for_color_applies_to_a_gray_image():
    linear = 255 * (1.055 * (100 / 255) ** (1 / 2.4) - 0.055)
    assert_color(decoded("L", 100, rgb_profile(SRGB, 1.0)), linear)


def test_a_16_bit_gray_image_is_converted():
    linear = 255 * (1.055 * (100 / 255) ** (1 / 2.4) - 0.055)
    assert_color(decoded("I;16", 25_700, gray_profile(1.0)), linear)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a_cmyk_profile_is_applied(kind):
    assert_color(decoded("CMYK", (255, 0, 0, 0), cmyk_profile(), kind), (255, 0, 0), 8)
    assert_color(decoded("CMYK", (0, 255, 255, 0), cmyk_profile(), kind), (255, 255, 255), 8)


def test_transparent_pixels_show_the_background_unchanged_by_the_profile():
    icc = rgb_profile(SWAPPED)
    assert_color(decoded("RGBA", (200, 100, 30, 0), icc), (0, 0, 255), 0)
    assert_color(decoded("RGBA", (255, 0, 0, 255), icc), (0, 0, 255))
    palette = Image.new("P", SIZE, 0)
    palette.putpalette([255, 0, 0, 40, 50, 60])
    assert_color(decoded(None, None, icc, image=palette), (0, 0, 255))
    green = {"image": Image.new("RGB", SIZE, (0, 255, 0)), "transparency": (0, 255, 0)}
    assert_color(decoded(None, None, icc, **green), (0, 0, 255), 0)


def test_a_drafted_jpeg_is_converted(photograph):
    plain = decoded(None, None, None, "JPEG", image=photograph(301, 257))
    swapped = decoded(None, None, rgb_profile(SWAPPED), "JPEG", image=photograph(301, 257))
    difference = swapped.pixels[..., ::-1].astype(int) - plain.pixels
    assert np.abs(difference).mean() < 3


WHOLE = rgb_profile(SWAPPED)
WRONG = {
    "text": b"not a profile",
    "zeros": bytes(3000),
    "truncated": WHOLE[: len(WHOLE) // 2],
    "cut in the header": WHOLE[:100],
    "tag beyond the end": WHOLE[:140] + b"\xff\xff" + WHOLE[142:],
    "for gray": gray_profile(1.0),
    "for CMYK": cmyk_profile(),
    "of Lab": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    "of an unknown space": WHOLE[:16] + b"7CLR" + WHOLE[20:],
    "huge": WHOLE + bytes(MAX_PROFILE_BYTES),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_damaged_or_unsuitable_profile_is_ignored_and_noted(wrong, kind):
    save = {"lossless": True} if kind == "WEBP" else {}
    image = decoded("RGB", (200, 100, 30), WRONG[wrong], kind, **save)
    assert np.abs(image.pixels.astype(int) - (200, 100, 30)).max() <= 2
    assert image.notes == (PROFILE_IGNORED,)


def test_a_profile_for_color_does_not_apply_to_cmyk():
    image = decoded("CMYK", (0, 255, 255, 0), WHOLE, "TIFF")
    assert image.notes == (PROFILE_IGNORED,)
    assert np.abs(image.pixels.astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.slow
def test_random_damage_to_a_profile_gives_pixels():
    rng = np.random.default_rng(0)
    for mode, color, whole in (
        ("RGB", (200, 100, 30), WHOLE),
        ("CMYK", (9, 9, 9, 9), cmyk_profile()),
    ):
        for _ in range(50):
            damaged = bytearray(whole)
            for at in rng.integers(0, min(len(whole), 500), 4):
                damaged[at] = rng.integers(256)
            assert decoded(mode, color, bytes(damaged), "TIFF").pixels.shape == (16, 16, 3)
