"""Opens an image file: its size and orientation, before the pixels are decoded."""

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from components.image_example_gen import reasons
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.options import ImageOptions

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF")
# EXIF orientations that swap width and height, or show the right or lower edge first.
TURNED, MIRRORED_X, MIRRORED_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)
BITS, PLANAR = ExifTags.Base.BitsPerSample, ExifTags.Base.PlanarConfiguration
WHITE = ExifTags.Base.PhotometricInterpretation
# Kinds of PNG whose transparent color Pillow does not scale like the pixels.
OTHER_BITS = ("L;2", "L;4", "I;16B", "RGB;16B")


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of its image before the pixels.

    Attributes:
        width: in pixels, after EXIF orientation, if that is before the pixels.
        height: the same.
        jpeg: whether it is a JPEG, which can be decoded at reduced scale.
        may_be_transparent: whether it has an alpha channel or a transparent color.
        gray: whether it can hold no color.
    """

    width: int
    height: int
    jpeg: bool
    may_be_transparent: bool
    gray: bool


def read_header(stream: BinaryIO, options: ImageOptions) -> ImageHeader:
    """Reads the header of an image file; the arguments and errors of `decode`."""
    image = open_image(stream, options)
    width, height = oriented_size(image.size, stated_orientation(image))
    gray = Image.getmodebase(image.mode) == "L"
    with damage_rejected():
        transparent = image.has_transparency_data
    return ImageHeader(width, height, image.format == "JPEG", transparent, gray)


def open_image(stream: BinaryIO, options: ImageOptions) -> Image.Image:
    """Reads only the header, to reject a decompression bomb before it is decoded."""
    too_large = RejectedImage(reasons.MANY_PIXELS.format(options.max_pixels))
    start = b""
    try:
        start = stream.read(12)
        stream.seek(0)
        image = Image.open(stream, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large from None
    except Exception as error:
        raise_if_unread(error)
        raise RejectedImage(_why_not_opened(start, error)) from error
    if image.width * image.height > options.max_pixels:
        raise too_large
    if _is_misread(image):
        raise RejectedImage(reasons.RARE)
    return image


def _why_not_opened(start: bytes, error: Exception) -> str:
    """Names the kind of a file by its first 12 bytes."""
    if not start:
        return reasons.EMPTY
    if start[4:8] == b"ftyp" and start[8:] not in (b"avif", b"avis"):
        return reasons.HEIC
    if not isinstance(error, UnidentifiedImageError):
        return _damage(error)
    return reasons.RARE if start.startswith((b"II*\0", b"MM\0*")) else reasons.NOT_AN_IMAGE


def _is_misread(image: Image.Image) -> bool:
    """Whether Pillow would read other values than a file has."""
    if image.format == "PNG":
        kind = image.tile[0][3] if image.tile else None
        return "transparency" in image.info and kind in OTHER_BITS
    tags = getattr(image, "tag_v2", {})
    in_planes = tags.get(PLANAR) == 2 and image.mode not in ("1", "L", "P")
    zero_is_white = tags.get(WHITE) == 0 and image.mode.startswith("I")
    return in_planes or zero_is_white or tags.get(BITS) == (12,)


@contextlib.contextmanager
def damage_rejected() -> Iterator[None]:
    """Rejects a file that Pillow cannot interpret, such as a palette PNG without a palette."""
    try:
        yield
    except RejectedImage:
        raise
    except Exception as error:
        raise_if_unread(error)
        raise RejectedImage(_damage(error)) from error


def raise_if_unread(error: Exception) -> None:
    """Raises an error of the system again, which says nothing about the file.

    Pillow's own errors, which are OSErrors as well, have no number; damaged bytes may lead to a
    place before the file, which is an invalid argument.
    """
    if isinstance(error, MemoryError):
        raise OSError(errno.ENOMEM, "not enough memory") from error
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error


def _damage(error: Exception) -> str:
    """Pillow's parsers raise almost any exception on damaged bytes, with various messages."""
    return reasons.TRUNCATED if "truncated" in str(error).lower() else reasons.DAMAGED


def stated_orientation(image: Image.Image) -> int:
    """The EXIF orientation, if it is before the pixels; `getexif` would decode those of a PNG."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        exif.load(image.info.get("exif"))
        return exif.get(ExifTags.Base.Orientation, 1)
    return 1


def applied_orientation(image: Image.Image) -> int:
    """The orientation that ingest applies: by EXIF, before or after the pixels, or by XMP."""
    # The pixels may be valid although the EXIF block is damaged.
    with contextlib.suppress(Exception):
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    return 1


def oriented_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height as an image is shown, of those in the file."""
    return size[::-1] if orientation in TURNED else size
