"""Decodes an image file to small, uniform pixels, or as it is shown."""

import contextlib
import os
import threading
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_file.colors import (
    flatten,
    scale_transparency,
    to_eight_bits,
    to_srgb,
)
from components.image_example_gen.image_file.header import (
    MIRRORED_X,
    MIRRORED_Y,
    applied_orientation,
    check_size,
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
_LARGE = threading.Lock()

# Notes on images that are accepted.
PROFILE_IGNORED = "color profile ignored, because it is damaged or for another kind of image"
NEARLY_BLACK = "nearly black, with no value above 16 of 255, like 12-bit data in 16-bit files"


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
    """
    image = open_image(stream, options)
    _check_scans(image, stream)
    with _one_at_a_time(image), damage_rejected():
        return _convert(image, options, partner)


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
    image = open_image(stream, options)
    _check_scans(image, stream)
    with _one_at_a_time(image), damage_rejected():
        shown = _show(image, options).image
        if shown.mode == "P":
            flatten(shown, options.background)  # which shows whether its palette is whole
        return shown


def _check_scans(image: Image.Image, stream: BinaryIO) -> None:
    """Rejects a JPEG of which each scan, of a hundred bytes, takes as long as the whole image."""
    if image.format not in ("JPEG", "MPO"):
        return
    place = stream.tell()
    stream.seek(0)
    scans, end = 0, b""
    with damage_rejected():
        while chunk := stream.read(CHUNK_BYTES):
            scans += (end + chunk).count(SCAN)
            end = chunk[1 - len(SCAN) :]
    stream.seek(place)
    if scans > MAX_SCANS:
        raise RejectedImage(f"more than {MAX_SCANS} scans")


def _one_at_a_time(image: Image.Image) -> contextlib.AbstractContextManager:
    """Conversion needs several copies of an image, so large ones are converted one at a time."""
    return _LARGE if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext()


def _convert(
    image: Image.Image, options: ImageOptions, partner: tuple[int, int] | None
) -> DecodedImage:
    shown = _show(image, options)
    notes, (width, height) = shown.notes, shown.size
    flat = flatten(shown.image, options.background)
    if options.channels == 1:
        flat = flat.convert("L")
    box, size = fit(*(partner or shown.size), options)
    if partner:
        box = tuple(side * shown.size[i % 2] / partner[i % 2] for i, side in enumerate(box))
    if shown.scale > 1:
        box = _scale(box, shown.size, flat.size, shown.scale, shown.orientation)
    small = flat.resize(size, Image.Resampling.BICUBIC, box, REDUCING_GAP)
    if np.asarray(small).max() <= 16:
        notes += (NEARLY_BLACK,)
    pixels = np.asarray(_pad(small, options)).reshape(options.shape)
    return DecodedImage(pixels, width, height, notes)


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


def _show(image: Image.Image, options: ImageOptions) -> _Shown:
    notes = ()
    profile = image.info.get("icc_profile")
    stored = image.size
    scale = _load(image, options)
    orientation = _orient(image)
    size = oriented_size(stored, orientation)
    check_size(*size, options)
    plain = to_eight_bits(image)
    if profile and plain.mode != "LAB":
        try:
            plain = to_srgb(plain, profile)
        except Exception:  # the profile is untrusted, and the pixels are valid without it
            notes = (PROFILE_IGNORED,)
    return _Shown(plain, size, scale, orientation, notes)


def fit(
    width: int, height: int, options: ImageOptions
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """Returns which part of an image is kept, and the size to resize it to.

    Args:
        width: of the image, in pixels, after EXIF orientation.
        height: the same.
        options: resolution and fit.

    Returns:
        The box (left, top, right, bottom) in the image, and (width, height) in the resolution.
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


def _pad(image: Image.Image, options: ImageOptions) -> Image.Image:
    """Puts an image into the middle of the background, at the resolution."""
    rows, columns = options.resolution
    if image.size == (columns, rows):
        return image
    padded = Image.new("RGB", (columns, rows), options.background).convert(image.mode)
    padded.paste(image, ((columns - image.width) // 2, (rows - image.height) // 2))
    return padded


def _load(image: Image.Image, options: ImageOptions) -> float:
    """Decodes the pixels; returns how many times smaller than in the file they are."""
    width = image.width
    orientation = stated_orientation(image)
    _, size = fit(*oriented_size(image.size, orientation), options)
    needed = tuple(side * DRAFT_MARGIN for side in oriented_size(size, orientation))
    drafted = image.draft(None, needed)
    scale_transparency(image)
    image.load()
    return width / drafted[1][2] if drafted else 1


def _orient(image: Image.Image) -> int:
    """Applies the EXIF orientation in place and returns it."""
    orientation = applied_orientation(image)
    with contextlib.suppress(Exception):  # as there
        ImageOps.exif_transpose(image, in_place=True)
    return orientation


def _scale(
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    drafted: tuple[int, int],
    scale: float,
    orientation: int,
) -> tuple[float, float, float, float]:
    """Returns where a box of an image of this size is in its drafted version.

    A draft has whole pixels: as stored, it ends to the right of and below the image.
    """
    shift = [
        drafted[axis] - size[axis] / scale if orientation in mirrored else 0
        for axis, mirrored in enumerate((MIRRORED_X, MIRRORED_Y))
    ]
    return tuple(min(value / scale + shift[i % 2], drafted[i % 2]) for i, value in enumerate(box))
