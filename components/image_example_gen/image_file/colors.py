"""Converts the colors of decoded images to 8 bits per channel in sRGB."""

import io
from functools import lru_cache

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from components.image_example_gen.errors import RejectedImage

MAX_PROFILE_BYTES = 4 << 20
PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # by the color space of a profile
# Otherwise a PNG with a profile of more than 1 MiB would be rejected.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
PHOTOMETRIC, WHITE_IS_ZERO = ExifTags.Base.PhotometricInterpretation, 0  # as in scans of film
FEW_BITS = {"L;2": 85, "L;4": 17}  # of a gray PNG: raw modes of Pillow, and how they are scaled


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales modes with more than 8 bits per channel; returns others unchanged."""
    if image.mode.startswith("I"):
        # Mode I also holds 16-bit values; for 32-bit integers the value of white is unknown.
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise RejectedImage("integer pixels outside 0 to 65535: save it with 8 or 16 bits")
        if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
            values = 65535 - values  # Pillow does so up to 8 bits
        scaled = (values.astype(np.uint32) * 255 + 32767) // 65535
    elif image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 255):
            raise RejectedImage("float pixels outside 0 to 255: save it with 8 or 16 bits")
        scaled = np.rint(values * (255.0 if values.max() <= 1 else 1.0))
    else:
        return image
    gray = Image.fromarray(scaled.astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        gray.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return gray


def scale_transparency(image: Image.Image) -> None:
    """Scales the transparent color of a PNG like its pixels; Pillow leaves it as in the file.

    Args:
        image: opened, and not yet loaded.
    """
    color, mode = image.info.get("transparency"), image.tile[0][3] if image.tile else None
    if image.format != "PNG" or color is None:
        return
    if mode in FEW_BITS and isinstance(color, int):
        image.info["transparency"] = color * FEW_BITS[mode]
    elif mode == "RGB;16B" and isinstance(color, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in color)


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Converts an image with 8 bits per channel, in any mode, to RGB on the background color."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    below = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Converts an image with 8 bits per channel to RGB or RGBA; raises any exception."""
    transform = _transform_to_srgb(profile)
    mode = transform.input_mode
    is_gray, is_cmyk = image.mode in ("1", "L", "LA"), image.mode == "CMYK"
    if (mode == "CMYK") != is_cmyk or (mode == "L" and not is_gray):
        raise ValueError("the profile is for another mode")
    opaque = not image.has_transparency_data
    source = image if opaque else image.convert("RGBA")
    converted = transform.apply(source.convert(mode))
    if not opaque:
        converted.putalpha(source.getchannel("A"))
    return converted


@lru_cache(maxsize=8)  # most images of a folder have the same profile
def _transform_to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform:
    if len(profile) > MAX_PROFILE_BYTES:
        raise ValueError("the profile is too large")
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = PROFILE_MODES[opened.profile.xcolor_space.strip()]
    return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
