"""Decodes an image file to small, uniform pixels, or as it is shown."""

import contextlib
import io
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from components.image_example_gen import reasons
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_header import (
    MIRRORED_X,
    MIRRORED_Y,
    applied_orientation,
    damage_rejected,
    open_image,
    oriented_size,
    stated_orientation,
)
from components.image_example_gen.options import ImageOptions

# A JPEG is decoded at the smallest scale with at least this multiple of the resolution: large
# photographs decode several times faster. At 2, fine detail differs by up to 3 levels on average
# from a full decoding; at 3, by less than 1.
DRAFT_MARGIN = 3
# Pillow reduces by whole factors to at least this multiple of the resolution before it filters.
REDUCING_GAP = 3.0
# Pillow releases the interpreter lock while it decodes, resizes and encodes. There are few threads
# because each may hold an image of max_pixels.
DECODE_THREADS = min(4, os.cpu_count() or 1)
LARGE_PIXELS = 16_000_000
SCAN, MAX_SCANS = b"\xff\xda\x00", 100  # of a JPEG; tools that make progressive ones write ten
CHUNK_BYTES = 1 << 20
MAX_PROFILE_BYTES = 4 << 20
PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # by the color space of a profile
# Otherwise a PNG with a profile of more than 1 MiB would be rejected.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
_LARGE = threading.Lock()


@dataclass(frozen=True)
class DecodedImage:
    """The converted pixels and the size of the source.

    Attributes:
        pixels: uint8 [height, width, channels], 0 to 255.
        source_width: in pixels, after EXIF orientation.
        source_height: in pixels, after EXIF orientation.
        notes: what is unusual about the image, as fixed phrases.
    """

    pixels: np.ndarray
    source_width: int
    source_height: int
    notes: tuple[str, ...] = ()


class _Shown(NamedTuple):
    """An image as it is shown.

    Attributes:
        image: with 8 bits per channel, in sRGB.
        size: width and height in the file, in pixels, after EXIF orientation.
        scale: how many times smaller than that the image is.
        orientation: by EXIF.
        notes: what is unusual about it.
    """

    image: Image.Image
    size: tuple[int, int]
    scale: float
    orientation: int
    notes: tuple[str, ...]


def decode(
    stream: BinaryIO, options: ImageOptions, partner: tuple[int, int] | None = None
) -> DecodedImage:
    """Decodes the first frame, orients it, fits it to the resolution and resizes it.

    Colors are converted to sRGB from the profile in the file. Transparent pixels get the background
    color. 16-bit values are scaled to 8 bits. The resize is bicubic and antialiased; images below
    the resolution are enlarged.

    Args:
        stream: the file, seekable, at its start.
        options: resolution, fit, channels, background and size limits.
        partner: width and height of another picture of the same: what `fit` keeps of that is kept
            of this one, to fractions of a pixel.

    Raises:
        RejectedImage: the file is empty, not an image, damaged, or outside the size limits.
        OSError: it cannot be read.
    """
    image = _open(stream, options)
    with _one_at_a_time(image), damage_rejected():
        shown = _show(image, options)
        flat = flatten(shown.image, options.background)
        if options.channels == 1:
            flat = flat.convert("L")
        box, size = fit(*(partner or shown.size), options)
        if partner:
            box = tuple(side * shown.size[i % 2] / partner[i % 2] for i, side in enumerate(box))
        if shown.scale > 1:
            box = _in_draft(box, shown, flat.size)
        small = flat.resize(size, Image.Resampling.BICUBIC, box, REDUCING_GAP)
        black = (reasons.NEARLY_BLACK,) if np.asarray(small).max() <= 16 else ()
        pixels = np.asarray(_pad(small, options)).reshape(options.shape)
        return DecodedImage(pixels, *shown.size, shown.notes + black)


def decode_as_shown(stream: BinaryIO, options: ImageOptions) -> Image.Image:
    """Decodes the first frame, orients it and converts its colors, as `decode` does.

    It keeps its size, but for a large JPEG, which is reduced to a multiple of the resolution, and
    what is transparent.

    Args:
        stream: the file, seekable, at its start.
        options: resolution, fit and size limits.

    Raises:
        RejectedImage: as of `decode`.
    """
    image = _open(stream, options)
    with _one_at_a_time(image), damage_rejected():
        shown = _show(image, options).image
        if shown.mode == "P":
            flatten(shown, options.background)  # which shows whether its palette is whole
        return shown


def fit(width: int, height: int, options: ImageOptions) -> tuple[Box, tuple[int, int]]:
    """Returns which part of an image is kept, and the size to resize it to.

    Args:
        width: of the image, in pixels, after EXIF orientation.
        height: the same.
        options: resolution and fit.

    Returns:
        The part, and (width, height) in the resolution.
    """
    rows, columns = options.resolution
    if options.fit == "pad":
        size = (
            min(columns, max(1, round(rows * width / height))),
            min(rows, max(1, round(columns * height / width))),
        )
        return (0, 0, width, height), size
    across, down = min(width, height * columns / rows), min(height, width * rows / columns)
    left, top = (width - across) // 2, (height - down) // 2
    return (left, top, left + across, top + down), (columns, rows)


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Converts an image with 8 bits per channel, in any mode, to RGB on the background color."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    below = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


def _open(stream: BinaryIO, options: ImageOptions) -> Image.Image:
    """Opens an image; rejects a JPEG each of whose tiny scans takes as long as a whole image."""
    image = open_image(stream, options)
    if image.format in ("JPEG", "MPO"):
        place = stream.tell()
        stream.seek(0)
        with damage_rejected():
            chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
            scans = sum(chunk.count(SCAN) for chunk in chunks)
        stream.seek(place)
        if scans > MAX_SCANS:
            raise RejectedImage(reasons.MANY_SCANS.format(MAX_SCANS))
    return image


def _one_at_a_time(image: Image.Image) -> contextlib.AbstractContextManager:
    """Conversion needs several copies of an image, so large ones are converted one at a time."""
    return _LARGE if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext()


def _show(image: Image.Image, options: ImageOptions) -> _Shown:
    stored, profile, notes = image.size, image.info.get("icc_profile"), ()
    scale = _load(image, options)
    orientation = applied_orientation(image)
    with contextlib.suppress(Exception):  # a damaged EXIF block, as there
        ImageOps.exif_transpose(image, in_place=True)
    width, height = size = oriented_size(stored, orientation)
    least_height, least_width = options.smallest
    if height < least_height or width < least_width:
        least = least_width if least_width == least_height else f"{least_width}x{least_height}"
        raise RejectedImage(reasons.SMALL.format(least))
    plain = _to_eight_bits(image)
    if profile and plain.mode != "LAB":
        try:
            plain = _to_srgb(plain, profile)
        except Exception:  # the profile is untrusted, and the pixels are valid without it
            notes = (reasons.PROFILE_IGNORED,)
    return _Shown(plain, size, scale, orientation, notes)


def _load(image: Image.Image, options: ImageOptions) -> float:
    """Decodes the pixels; returns how many times smaller than in the file they are."""
    width, orientation = image.width, stated_orientation(image)
    _, size = fit(*oriented_size(image.size, orientation), options)
    needed = tuple(side * DRAFT_MARGIN for side in oriented_size(size, orientation))
    drafted = image.draft(None, needed)
    image.load()
    return width / drafted[1][2] if drafted else 1


def _in_draft(box: Box, shown: _Shown, drafted: tuple[int, int]) -> Box:
    """Returns where a box of an image is in its draft of this size.

    A draft has whole pixels: as stored, it ends to the right of and below the image.
    """
    shift = [
        drafted[axis] - shown.size[axis] / shown.scale if shown.orientation in mirrored else 0
        for axis, mirrored in enumerate((MIRRORED_X, MIRRORED_Y))
    ]
    return tuple(
        min(value / shown.scale + shift[i % 2], drafted[i % 2]) for i, value in enumerate(box)
    )


def _pad(image: Image.Image, options: ImageOptions) -> Image.Image:
    """Puts an image into the middle of the background, at the resolution."""
    rows, columns = options.resolution
    if image.size == (columns, rows):
        return image
    padded = Image.new("RGB", (columns, rows), options.background).convert(image.mode)
    padded.paste(image, ((columns - image.width) // 2, (rows - image.height) // 2))
    return padded


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales modes with more than 8 bits per channel; returns others unchanged."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    # Mode I also holds 16-bit values; of 32 bits, the value of white is unknown.
    white = 255 if image.mode == "F" else 65535
    if not (values.min() >= 0 and values.max() <= white):  # nor is it of NaN
        raise RejectedImage(reasons.RARE)
    if image.mode == "F":
        scaled = np.rint(values * (255.0 if values.max() <= 1 else 1.0))
    else:
        scaled = (values.astype(np.uint32) * 255 + 32767) // 65535
    return Image.fromarray(scaled.astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
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
