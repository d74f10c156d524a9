"""Looks at a folder of images before anything is configured: how many, how large, which colors.

Of a large folder, a sample of files is opened, and of those only as many are decoded as about a
second allows. Imports neither TFX nor TensorFlow.
"""

import functools
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from components.image_example_gen.errors import ImageDataError, RejectedImage
from components.image_example_gen.files import (
    ImageFile,
    describe_endings,
    describe_unread,
)
from components.image_example_gen.folders.local import LINK
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.folders.storage import is_remote
from components.image_example_gen.image_decode import decode
from components.image_example_gen.image_header import ImageHeader, read_header
from components.image_example_gen.listed import Listing
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import unreadable
from components.image_example_gen.spans import ImageSource, Listings
from components.image_example_gen.windows import find_window
from pipeline.choosing.seen import BLACK, GRAY, WHITE, Pictures
from pipeline.config.sections import DataConfig
from trainer.common.text import shorten

SAMPLE, REMOTE_SAMPLE = 300, 32  # files that are opened
MAX_DECODED = 30_000_000  # pixels in all: about a second on one core
MIN_DECODED = 8  # images, however large: one of another kind must not decide for all
JPEG_REDUCTION = 4  # how many times fewer pixels a JPEG counts, as it is decoded at reduced scale
SIDE = 32  # pixels, of the decoded images
LOW_PERCENTILE = 5  # of the sizes
MAX_SPREAD = 10  # levels of 255 between the channels of a gray pixel, such as JPEG leaves
GRAY_PIXELS = 99  # percentage of the pixels of a gray image
GRAY_IMAGES = 0.98  # share of the images of a gray folder
MIN_GRAY = 100  # decoded images, or all, that decide for gray where the headers do not say so
TRANSPARENT_IMAGES = 0.05  # share from which a folder counts as transparent
MIN_ALPHA = 0.95  # below this a pixel is transparent
MIN_VISIBLE = 0.01  # of the area, by which a background is chosen
BRIGHT = 200  # mean level of what is visible, from which most of it vanishes on white
DARK = 55  # below this, it vanishes on black
TWO_TONED = 0.1  # share of bright and of dark images among the transparent ones
FLAT = 6  # standard deviation over an image on white, below which all of it vanishes there
VANISHING = 0.05  # share of such images, from which white is unfit, and black if as many are dark
SPANS = {  # values of data.pattern, and what the paths of images in such folders begin with
    "span-{SPAN}": re.compile(r"span-\d{1,9}/"),
    "{YYYY}-{MM}-{DD}": re.compile(r"\d{4}-\d{2}-\d{2}/"),
    "{YYYY}/{MM}/{DD}": re.compile(r"\d{4}/\d{2}/\d{2}/"),
}

Result = TypeVar("Result")


class _Colors(NamedTuple):
    """The colors of one image; brightness is of what is visible where others are transparent."""

    gray: bool
    brightness: float | None
    transparent: bool = False
    vanishes_on_white: bool = False


def look(data: DataConfig, listings: Listings) -> Pictures:
    """Looks at the images that a run would read.

    Args:
        data: folder, pattern and window of the images, and max_pixels, above which none is opened.
        listings: get what is listed.

    Raises:
        ImageDataError: a folder is missing or unreadable, has no images, or none can be read.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    window = find_window(data.folder, data, data.span)
    listing = listings.of(ImageSource(data.folder, window))
    files = listing.images
    problems = [_problem(file, file.problem) for file in files if file.problem]
    good = 1 - len(problems) / len(files)  # of those that are bad, all are known
    sample = _sample(files, REMOTE_SAMPLE if is_remote(data.folder) else SAMPLE)
    options = ImageOptions(resolution=SIDE, min_size=1, max_pixels=data.max_pixels)
    with ImageReader(data.folder) as reader:
        read = functools.partial(_read, reader=reader, options=options, problems=problems)
        headers = {file: header for file in sample if (header := read(file, read_header))}
        colors = _look_at_colors(headers, read)
    seen = [each for each in colors if each is not None]
    if not seen:
        opened = " that were opened" if sample else ""
        raise ImageDataError(
            f"{data.folder}: none of the image files{opened} can be read, "
            f"{len(problems):,} of {len(files):,}: {problems[0]}"
        )
    sides = np.sort([min(header.width, header.height) for header in headers.values()])
    aspects = [header.width / header.height for header in headers.values()]
    narrow, aspect, wide = np.percentile(aspects, [25, 50, 75]).tolist()
    readable = good * _share_of_readable(len(sample), len(headers), len(colors), len(seen))
    suffice = len(seen) >= min(MIN_GRAY, round(readable * len(files)))
    transparent = sum(each.transparent for each in seen) > TRANSPARENT_IMAGES * len(seen)
    labels = Counter(file.class_label for file in files)
    return Pictures(
        files=len(files),
        readable=readable,
        problem=problems[0] if problems else "",
        smallest=int(sides[0]),
        low=int(np.percentile(sides, LOW_PERCENTILE, method="lower")),
        median=int(np.percentile(sides, 50, method="lower")),
        largest=int(sides[-1]),
        aspect=aspect,
        narrow=narrow,
        wide=wide,
        gray=_are_gray(seen) and (suffice or _are_gray([*headers.values()])),
        transparent=transparent,
        background=_choose_background(seen) if transparent else WHITE,
        classes={label: count for label, count in sorted(labels.items()) if label},
        sizes=tuple((header.height, header.width) for header in headers.values()),
        labeled=all(file.label is not None for file in files if file.class_label),
        spans="" if data.pattern else _find_spans(files),
        unread=_unread(listing),
    )


def _find_spans(files: Sequence[ImageFile]) -> str:
    fitting = (
        pattern
        for pattern, beginning in SPANS.items()
        if all(beginning.match(file.path) for file in files)
    )
    return next(fitting, "")


def _unread(listing: Listing) -> tuple[str, ...]:
    links = listing.others[LINK]
    not_followed = [f"not followed: {describe_endings({LINK: links})}"] if links else []
    return (*describe_unread(listing.others), *not_followed)


def _sample(files: Sequence[ImageFile], count: int) -> list[ImageFile]:
    """At most `count` of the files that can be opened quickly, in random order."""
    quick = [place for place, file in enumerate(files) if file.quick and not file.problem]
    chosen = np.random.default_rng(0).choice(len(quick), min(count, len(quick)), replace=False)
    return [files[quick[i]] for i in chosen]


def _share_of_readable(opened: int, headers: int, tried: int, decoded: int) -> float:
    """The share of images that can be read, of those whose headers and pixels were looked at.

    A single one of few that cannot be decoded counts as one of all: it shows no share.
    """
    damaged = tried - decoded
    return headers / opened * (1 - damaged / (tried if damaged > 1 else headers))


def _read(
    file: ImageFile,
    read: Callable[[BinaryIO, ImageOptions], Result],
    reader: ImageReader,
    options: ImageOptions,
    problems: list[str],
) -> Result | None:
    """Reads a file, or adds to the problems why it cannot be read."""
    try:
        with warnings.catch_warnings(), reader.open(file) as stream:
            warnings.simplefilter("ignore")  # Pillow's about damaged files
            return read(stream, options)
    except RejectedImage as rejected:
        reason = str(rejected)
    except OSError as error:
        reason = unreadable(error)
    problems.append(_problem(file, reason))
    return None


def _problem(file: ImageFile, reason: str) -> str:
    return f"{shorten(file.path)!r} ({reason})"


def _look_at_colors(
    headers: Mapping[ImageFile, ImageHeader], read: Callable[..., _Colors | None]
) -> list[_Colors | None]:
    """Decodes images within MAX_DECODED, and at least MIN_DECODED; None: one that is damaged.

    It ends at the first one that is too large: small ones alone would not be like the others.
    """
    costs = {
        file: header.width * header.height // (JPEG_REDUCTION if header.jpeg else 1)
        for file, header in headers.items()
    }
    chosen, left = [], MAX_DECODED
    for file, cost in costs.items():
        if cost > left and len(chosen) >= MIN_DECODED:
            break
        chosen.append(file)
        left -= cost
    return [
        read(file, _transparent_colors if headers[file].may_be_transparent else _opaque_colors)
        for file in chosen
    ]


def _opaque_colors(stream: BinaryIO, options: ImageOptions) -> _Colors:
    return _Colors(_is_gray(decode(stream, options).pixels), None)


def _transparent_colors(stream: BinaryIO, options: ImageOptions) -> _Colors:
    """Decodes an image over black and over white: the difference is what shines through."""
    layers = []
    for color in (BLACK, WHITE):
        stream.seek(0)
        image = decode(stream, options.model_copy(update={"background": color}))
        layers.append(image.pixels.astype(float))
    black, white = layers
    alpha = 1 - (white - black) / 255
    if alpha.min() >= MIN_ALPHA:
        return _Colors(_is_gray(black), None)
    # Of an image of which hardly anything is visible, no background shows more.
    if alpha.mean() <= MIN_VISIBLE:
        return _Colors(_is_gray(black), None, True)
    flat = bool(white.std(axis=(0, 1)).max() < FLAT)
    return _Colors(_is_gray(black), black.sum() / alpha.sum(), True, vanishes_on_white=flat)


def _are_gray(images: Sequence[_Colors | ImageHeader]) -> bool:
    return sum(each.gray for each in images) >= GRAY_IMAGES * len(images)


def _is_gray(pixels: np.ndarray) -> bool:
    return bool(np.percentile(np.ptp(pixels, axis=-1), GRAY_PIXELS) <= MAX_SPREAD)


def _choose_background(seen: Sequence[_Colors]) -> str:
    """A color on which none of the transparent images vanishes."""
    visible = [each for each in seen if each.brightness is not None]
    levels = np.array([each.brightness for each in visible])
    vanishing = sum(each.vanishes_on_white for each in visible) > VANISHING * len(visible)
    light = np.sum(levels > BRIGHT) > TWO_TONED * len(visible)
    dark = np.sum(levels < DARK) > (VANISHING if vanishing else TWO_TONED) * len(visible)
    if dark and (light or vanishing):
        return GRAY
    return BLACK if vanishing or (visible and np.mean(levels) > BRIGHT) else WHITE
