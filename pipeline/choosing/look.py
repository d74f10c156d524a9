"""Looks at a folder of images before anything is configured: how many, how large, which colors.

Of a large folder, a sample of files is opened, and of those only as many are decoded as about a
second allows. Imports neither TFX nor TensorFlow.
"""

import contextlib
import functools
import math
import os
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from components.image_example_gen.errors import ImageDataError, RejectedImage
from components.image_example_gen.files import (
    ImageFile,
    describe_endings,
    describe_unread,
    to_label,
)
from components.image_example_gen.folders.listing import list_folder
from components.image_example_gen.folders.local import LINK
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.folders.storage import is_remote
from components.image_example_gen.image_decode import decode
from components.image_example_gen.image_header import ImageHeader, read_header
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import unreadable
from components.image_example_gen.windows import find_window
from pipeline.choosing.seen import Pictures, are_splits, kinds_among
from pipeline.config.sections import DataConfig
from trainer.common.text import shorten

SAMPLE, REMOTE_SAMPLE = 300, 32  # files that are opened
MAX_DECODED = 30_000_000  # pixels in all: about a second on one core
MIN_DECODED = 8  # images, however large: one of another kind must not decide for all
JPEG_REDUCTION = 4  # how many times fewer pixels a JPEG counts, as it is decoded at reduced scale
SIDE = 32  # pixels, of the decoded images
BLACK, GRAY, WHITE = "#000000", "#808080", "#ffffff"
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


class _Place(NamedTuple):
    """An image file and the folder that its path is relative to."""

    folder: str
    file: ImageFile


class _Colors(NamedTuple):
    """The colors of one image; brightness is of what is visible where others are transparent."""

    gray: bool
    brightness: float | None
    transparent: bool = False
    vanishes_on_white: bool = False


def look(data: DataConfig) -> Pictures:
    """Looks at the images that a run would read.

    Args:
        data: folder, pattern and window of the images, and max_pixels, above which none is opened.

    Raises:
        ImageDataError: a folder is missing or unreadable, has no images, or none can be read.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    places, others = _list_places(data)
    bad = [place for place in places if place.file.problem]  # are all known
    quick = [place for place in places if place.file.quick and not place.file.problem]
    sample = _choose_evenly(quick, REMOTE_SAMPLE if is_remote(data.folder) else SAMPLE)
    options = ImageOptions(resolution=SIDE, min_size=1, max_pixels=data.max_pixels)
    problems = [_problem(place, place.file.problem) for place in bad]
    with contextlib.ExitStack() as stack:
        folders = {place.folder for place in sample}
        readers = {folder: stack.enter_context(ImageReader(folder)) for folder in folders}
        read = functools.partial(_read, readers=readers, options=options, problems=problems)
        headers = {place: header for place in sample if (header := read(place, read_header))}
        colors = _look_at_colors(headers, read)
    seen = [each for each in colors if each is not None]
    if not seen:
        opened = " that were opened" if sample else ""
        raise ImageDataError(
            f"{data.folder}: none of the image files{opened} can be read, "
            f"{len(problems):,} of {len(places):,}: {problems[0]}"
        )
    sides = np.sort([min(header.width, header.height) for header in headers.values()])
    aspects = np.array([header.width / header.height for header in headers.values()])
    narrow, aspect, wide = np.percentile(aspects, [25, 50, 75]).tolist()
    readable = _share_of_readable(len(sample), len(headers), len(colors), len(seen))
    readable *= 1 - len(bad) / len(places)
    suffice = len(seen) >= min(MIN_GRAY, round(readable * len(places)))
    visible = [each for each in seen if each.brightness is not None]
    levels = np.array([each.brightness for each in visible])
    vanishing = sum(each.vanishes_on_white for each in visible) > VANISHING * len(visible)
    light = np.sum(levels > BRIGHT) > TWO_TONED * len(visible)
    dark = np.sum(levels < DARK) > (VANISHING if vanishing else TWO_TONED) * len(visible)
    labels = Counter(place.file.class_label for place in places)
    wrapper, wrapped = ("", ()) if data.pattern else _find_wrapper(places)
    return Pictures(
        files=len(places),
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
        transparent=sum(each.transparent for each in seen) > TRANSPARENT_IMAGES * len(seen),
        bright=vanishing or (bool(visible) and float(np.mean(levels)) > BRIGHT),
        two_toned=bool(dark and (light or vanishing)),
        classes={label: count for label, count in sorted(labels.items()) if label},
        sizes=tuple((header.height, header.width) for header in headers.values()),
        sizes_by_class=_sizes_by_class(sample, bad, labels, headers),
        labeled=all(place.file.label is not None for place in places if place.file.class_label),
        spans="" if data.pattern else _find_spans(places),
        turned=float(np.mean((aspects - 1) * (aspect - 1) < 0)),
        unread=tuple(describe_unread(others)),
        links=describe_endings({LINK: others[LINK]}) if others[LINK] else "",
        wrapper=wrapper,
        wrapped=wrapped,
    )


def _list_places(data: DataConfig) -> tuple[list[_Place], Counter[str]]:
    """The images, and the numbers of other files by their endings."""
    window = find_window(data.folder, data, data.span)
    places, others = [], Counter[str]()
    for span in window:
        folder = os.path.join(data.folder, span.folder).rstrip("/") or "/"
        listed = list_folder(folder, required=span is window[-1])
        places += [_Place(folder, file) for file in listed.images]
        others += listed.others
    return places, others


def _sizes_by_class(
    sample: Sequence[_Place],
    bad: Sequence[_Place],
    classes: Mapping[str, int],
    headers: Mapping[_Place, ImageHeader],
) -> Mapping[str, Sequence[tuple[int, int]]]:
    """Bad files count only in a class whose others were all looked at: those may be good."""
    looked_at = Counter(place.file.class_label for place in (*sample, *bad))
    found = defaultdict(list)
    for place in (*sample, *bad):
        label = place.file.class_label
        if place.file.problem and looked_at[label] < classes[label]:
            continue
        header = headers.get(place)
        found[label].append((header.height, header.width) if header else (0, 0))
    return found


def _find_spans(places: Sequence[_Place]) -> str:
    fitting = (
        pattern
        for pattern, beginning in SPANS.items()
        if all(beginning.match(place.file.path) for place in places)
    )
    return next(fitting, "")


def _find_wrapper(places: Sequence[_Place]) -> tuple[str, tuple[str, ...]]:
    """The only folder, and the folders in it, if all images are in these.

    They may be kinds of images, or splits; empty if they are neither.
    """
    outer, inner = set[str](), Counter[str]()
    for place in places:
        archive, label = place.file.archive, place.file.label
        names = place.file.path[len(archive) :].lstrip("/").split("/")
        if len(names) < 3 or label not in (None, to_label(names[0])):
            return "", ()
        outer.add(os.path.join(archive, names[0]))
        inner[names[1]] += 1
    matters = len(kinds_among(inner)) > 1 or are_splits(inner)
    return (outer.pop(), tuple(sorted(inner))) if len(outer) == 1 and matters else ("", ())


def _choose_evenly(places: Sequence[_Place], count: int) -> list[_Place]:
    """Chooses at most `count` of the sorted files, in an order whose beginning is even as well.

    One of each of so many equal parts, at random: in equal steps, it could be the masks of all.
    """
    chosen = min(count, len(places))
    if not chosen:
        return []
    golden = (math.sqrt(5) - 1) / 2
    order = sorted(range(chosen), key=lambda i: i * golden % 1)
    bounds = [i * len(places) // chosen for i in range(chosen + 1)]
    drawn = np.random.default_rng(0).integers(bounds[:-1], bounds[1:])
    return [places[drawn[i]] for i in order]


def _share_of_readable(opened: int, headers: int, tried: int, decoded: int) -> float:
    """The share of images that can be read, of those whose headers and pixels were looked at.

    A single one of few that cannot be decoded counts as one of all: it shows no share.
    """
    damaged = tried - decoded
    return headers / opened * (1 - damaged / (tried if damaged > 1 else headers))


def _read(
    place: _Place,
    read: Callable[[BinaryIO, ImageOptions], Result],
    readers: Mapping[str, ImageReader],
    options: ImageOptions,
    problems: list[str],
) -> Result | None:
    """Reads a file, or adds to the problems why it cannot be read."""
    try:
        with warnings.catch_warnings(), readers[place.folder].open(place.file) as stream:
            warnings.simplefilter("ignore")  # Pillow's about damaged files
            return read(stream, options)
    except RejectedImage as rejected:
        reason = str(rejected)
    except OSError as error:
        reason = unreadable(error)
    problems.append(_problem(place, reason))
    return None


def _problem(place: _Place, reason: str) -> str:
    return f"{shorten(place.file.path)!r} ({reason})"


def _look_at_colors(
    headers: Mapping[_Place, ImageHeader], read: Callable[..., _Colors | None]
) -> list[_Colors | None]:
    """Decodes images within MAX_DECODED, and at least MIN_DECODED; None: one that is damaged.

    It ends at the first one that is too large: small ones alone would not be like the others.
    """
    costs = {
        place: header.width * header.height // (JPEG_REDUCTION if header.jpeg else 1)
        for place, header in headers.items()
    }
    chosen, left = [], MAX_DECODED
    for place, cost in costs.items():
        if cost > left and len(chosen) >= MIN_DECODED:
            break
        chosen.append(place)
        left -= cost
    return [
        read(place, _transparent_colors if headers[place].may_be_transparent else _opaque_colors)
        for place in chosen
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
