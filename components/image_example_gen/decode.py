"""Decodes an image file to small, uniform pixels; no other module decodes source images."""

import contextlib
import threading
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from components.image_example_gen.options import ImageOptions

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# A JPEG is decoded at the smallest scale with at least this multiple of the resolution: large
# photographs decode several times faster, and the resize still averages over more than one pixel.
DRAFT_MARGIN = 2
# Pillow reduces by whole factors to at least this multiple of the resolution before it filters.
REDUCING_GAP = 3.0
LARGE_PIXELS = 16_000_000
_LARGE = threading.Lock()
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


class RejectedImage(ValueError):  # noqa: N818 - a verdict on the file, not an error
    """The file is not a valid image; the message is the reason, one of a few fixed phrases."""


@dataclass(frozen=True)
class DecodedImage:
    """The converted pixels and the size of the source.

    Attributes:
        pixels: uint8 [resolution, resolution, channels], 0 to 255.
        source_width: in pixels, after EXIF orientation.
        source_height: in pixels, after EXIF orientation.
    """

    pixels: np.ndarray
    source_width: int
    source_height: int


def decode(stream: BinaryIO, options: ImageOptions) -> DecodedImage:
    """Decodes the first frame, orients it, crops the central square and resizes it.

    Transparent pixels get the background color. 16-bit values are scaled to 8 bits. The resize is
    bicubic and antialiased; images below the resolution are enlarged.

    Args:
        stream: the file, seekable, at its start.
        options: resolution, channels, background and size limits.

    Raises:
        RejectedImage: the file is empty, not an image, damaged, or outside the size limits.
    """
    if not stream.read(1):
        raise RejectedImage("empty file")
    stream.seek(0)
    image = _open(stream, options)
    # Conversion needs several copies of an image, so large ones are converted one at a time.
    with _LARGE if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
        return _convert(image, options)


def _convert(image: Image.Image, options: ImageOptions) -> DecodedImage:
    width, height = image.size
    _load(image, options.resolution * DRAFT_MARGIN)
    if _orient(image):
        width, height = height, width
    flat = flatten(_to_eight_bits(image), options.background)
    if options.channels == 1:
        flat = flat.convert("L")
    side = options.resolution
    square = flat.resize(
        (side, side), Image.Resampling.BICUBIC, _central_square(flat.size), REDUCING_GAP
    )
    return DecodedImage(np.asarray(square).reshape(side, side, -1), width, height)


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Converts an image with 8 bits per channel, in any mode, to RGB on the background color."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    below = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


def _open(stream: BinaryIO, options: ImageOptions) -> Image.Image:
    """Reads only the header, to reject a decompression bomb before it is decoded."""
    too_large = RejectedImage(f"more than max_pixels {options.max_pixels}")
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise RejectedImage("not an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large from None
    except Exception as error:
        raise _damage(error) from error
    if image.width * image.height > options.max_pixels:
        raise too_large
    if min(image.size) < options.min_size:
        raise RejectedImage(f"smaller than min_size {options.min_size}")
    return image


def _load(image: Image.Image, draft_size: int) -> None:
    try:
        image.draft(None, (draft_size, draft_size))
        image.load()
    except Exception as error:
        raise _damage(error) from error


def _damage(error: Exception) -> RejectedImage:
    """Pillow's parsers raise almost any exception on damaged bytes, with various messages."""
    return RejectedImage("truncated" if "truncated" in str(error).lower() else "damaged")


def _orient(image: Image.Image) -> bool:
    """Applies the EXIF orientation in place; returns whether it swapped width and height."""
    orientation = 1
    # The pixels may be valid although the EXIF block is damaged.
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        ImageOps.exif_transpose(image, in_place=True)
    return orientation in TURNED


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales modes with more than 8 bits per channel; returns others unchanged."""
    if image.mode.startswith("I"):
        # Mode I also holds 16-bit values; for 32-bit integers the value of white is unknown.
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise RejectedImage("integer pixels outside 0 to 65535")
        scaled = (values.astype(np.uint32) + 128) // 257
    elif image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 255):
            raise RejectedImage("float pixels outside 0 to 255")
        scaled = np.rint(values * (255.0 if values.max() <= 1 else 1.0))
    else:
        return image
    gray = Image.fromarray(scaled.astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        gray.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return gray


def _central_square(size: tuple[int, int]) -> tuple[int, int, int, int]:
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return left, top, left + side, top + side
