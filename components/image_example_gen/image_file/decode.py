"""Decodes an image file to small, uniform pixels; no other module decodes source images."""

import contextlib
import io
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.options import ImageOptions

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
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
_LARGE = threading.Lock()
# EXIF orientations that swap width and height, or show the right or lower edge first.
TURNED, MIRRORED_X, MIRRORED_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)

MAX_PROFILE_BYTES = 4 << 20
PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # by the color space of a profile
# Otherwise a PNG with a profile of more than 1 MiB would be rejected.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
MAX_SAMPLE_VALUES = (341, 281)  # TIFF tags: SMaxSampleValue, MaxSampleValue
WHITES = {(2**bits - 1,) for bits in range(9, 16)}  # of fewer than 16 bits

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


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of its image before the pixels.

    Attributes:
        width: in pixels, after EXIF orientation, if that is before the pixels.
        height: the same.
        jpeg: whether it is a JPEG, which can be decoded at reduced scale.
        may_be_transparent: whether it has an alpha channel or a transparent color.
    """

    width: int
    height: int
    jpeg: bool
    may_be_transparent: bool


def read_header(stream: BinaryIO, options: ImageOptions) -> ImageHeader:
    """Reads the header of an image file; the arguments and errors of `decode`."""
    image = _open(stream, options)
    width, height = _oriented_size(image.size, _stated_orientation(image))
    return ImageHeader(width, height, image.format == "JPEG", image.has_transparency_data)


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
    image = _open(stream, options)
    # Conversion needs several copies of an image, so large ones are converted one at a time.
    with _LARGE if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
        return _convert(image, options, partner)


def _convert(
    image: Image.Image, options: ImageOptions, partner: tuple[int, int] | None
) -> DecodedImage:
    notes = []
    profile = image.info.get("icc_profile")
    stored = image.size
    scale = _load(image, options)
    orientation = _orient(image)
    width, height = _oriented_size(stored, orientation)
    _check_size(width, height, options)
    plain = _to_eight_bits(image)
    if profile and plain.mode != "LAB":
        try:
            plain = _to_srgb(plain, profile)
        except Exception:  # the profile is untrusted, and the pixels are valid without it
            notes.append(PROFILE_IGNORED)
    flat = flatten(plain, options.background)
    if options.channels == 1:
        flat = flat.convert("L")
    box, size = fit(*(partner or (width, height)), options)
    if partner:
        box = tuple(side * (width, height)[i % 2] / partner[i % 2] for i, side in enumerate(box))
    if scale > 1:
        box = _scale(box, (width, height), flat.size, scale, orientation)
    small = flat.resize(size, Image.Resampling.BICUBIC, box, REDUCING_GAP)
    if np.asarray(small).max() <= 16:
        notes.append(NEARLY_BLACK)
    pixels = np.asarray(_pad(small, options)).reshape(options.shape)
    return DecodedImage(pixels, width, height, tuple(notes))


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


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Converts an image with 8 bits per channel, in any mode, to RGB on the background color."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    below = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


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


def _open(stream: BinaryIO, options: ImageOptions) -> Image.Image:
    """Reads only the header, to reject a decompression bomb before it is decoded."""
    too_large = RejectedImage(f"more than max_pixels {options.max_pixels}")
    start = stream.read(12)
    if not start:
        raise RejectedImage("empty file")
    stream.seek(0)
    try:
        image = Image.open(stream, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large from None
    except Exception as error:
        raise _unreadable(start, error) from error
    if image.width * image.height > options.max_pixels:
        raise too_large
    # Whether it is turned may be known only after decoding.
    shorter, longer = sorted(image.size)
    if shorter < min(options.smallest) or longer < max(options.smallest):
        raise _too_small(options)
    return image


def _check_size(width: int, height: int, options: ImageOptions) -> None:
    least_height, least_width = options.smallest
    if height < least_height or width < least_width:
        raise _too_small(options)


def _too_small(options: ImageOptions) -> RejectedImage:
    height, width = options.smallest
    pixels = f"{width} pixels" if height == width else f"{width}x{height} pixels"
    return RejectedImage(f"smaller than {pixels} (min_size, by default half of resolution)")


def _unreadable(start: bytes, error: Exception) -> RejectedImage:
    """Names the format of a file that cannot be opened, by its first 12 bytes."""
    if start[4:8] == b"ftyp" and start[8:] in HEIC_BRANDS:
        return RejectedImage("HEIC is not read: convert it to JPEG or PNG")
    if not isinstance(error, UnidentifiedImageError):
        return _damage(error)
    if start.startswith((b"II*\0", b"MM\0*")):
        return RejectedImage(
            "TIFF that is damaged or of an unsupported kind (float color?): save it with 8 or "
            "16 bits"
        )
    return RejectedImage("not an image")


def _load(image: Image.Image, options: ImageOptions) -> float:
    """Decodes the pixels; returns how many times smaller than in the file they are."""
    width = image.width
    orientation = _stated_orientation(image)
    _, size = fit(*_oriented_size(image.size, orientation), options)
    needed = tuple(side * DRAFT_MARGIN for side in _oriented_size(size, orientation))
    try:
        drafted = image.draft(None, needed)
        image.load()
    except Exception as error:
        raise _damage(error) from error
    return width / drafted[1][2] if drafted else 1


def _damage(error: Exception) -> RejectedImage:
    """Pillow's parsers raise almost any exception on damaged bytes, with various messages."""
    return RejectedImage("truncated" if "truncated" in str(error).lower() else "damaged")


def _stated_orientation(image: Image.Image) -> int:
    """The EXIF orientation, if it is before the pixels; `getexif` would decode those of a PNG."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        exif.load(image.info.get("exif"))
        return exif.get(ExifTags.Base.Orientation, 1)
    return 1


def _oriented_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if orientation in TURNED else size


def _orient(image: Image.Image) -> int:
    """Applies the EXIF orientation in place and returns it."""
    orientation = 1
    # The pixels may be valid although the EXIF block is damaged.
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        ImageOps.exif_transpose(image, in_place=True)
    return orientation


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales modes with more than 8 bits per channel; returns others unchanged."""
    if image.mode.startswith("I"):
        # Mode I also holds 16-bit values; for 32-bit integers the value of white is unknown.
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise RejectedImage("integer pixels outside 0 to 65535: save it with 8 or 16 bits")
        white = _stated_white(image)
        if values.max() > white:
            white = 65535
        scaled = (values.astype(np.uint32) * 255 + white // 2) // white
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


def _stated_white(image: Image.Image) -> int:
    """The value of white of 16-bit pixels; the tags of a TIFF may state fewer bits."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(ExifTags.Base.BitsPerSample) == (12,):
        return 4095
    stated = [tags.get(tag) for tag in MAX_SAMPLE_VALUES]
    return next((int(value[0]) for value in stated if value in WHITES), 65535)


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
