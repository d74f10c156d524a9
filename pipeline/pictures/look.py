"""Looks at a folder of images before anything is configured: how many, how large, which colors.

Of a large folder, a sample of files is opened, and of those only as many are decoded as about a
second allows. Imports neither TFX nor TensorFlow for local folders and S3.
"""

import contextlib
import functools
import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from components.image_example_gen.errors import ImageDataError, RejectedImage
from components.image_example_gen.files import (
    ImageFile,
    describe_endings,
    list_folder,
    unread,
)
from components.image_example_gen.image_file.decode import decode
from components.image_example_gen.image_file.header import ImageHeader, read_header
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reading import ImageReader
from components.image_example_gen.storage.remote import is_remote
from components.image_example_gen.windows import find_windows
from pipeline.config import DataConfig
from trainer.common.text import percentage, shorten

SAMPLE, REMOTE_SAMPLE = 300, 32  # files that are opened
MAX_DECODED = 30_000_000  # pixels in all: about a second on one core
MIN_DECODED = 8  # images, however large: one of another kind must not decide for all
JPEG_REDUCTION = 4  # how many times fewer pixels a JPEG counts, as it is decoded at reduced scale
SIDE = 32  # pixels, of the decoded images
BLACK, WHITE = "#000000", "#ffffff"
LOW_PERCENTILE = 5  # of the sizes
# The ratio of the sides, of three in four images, from which a square would lose too much of them.
OBLONG = 1.2
TURNED = 0.05  # share of images turned against the others from which it is said
MAX_SPREAD = 10  # levels of 255 between the channels of a gray pixel, such as JPEG leaves
GRAY_PIXELS = 99  # percentage of the pixels of a gray image
GRAY_IMAGES = 0.98  # share of the images of a gray folder
MIN_GRAY = 100  # decoded images, or all, that decide for gray where the headers do not say so
TRANSPARENT_IMAGES = 0.05  # share from which a folder counts as transparent
# Names of folders, in small letters, that are no classes: splits of a data set (train2017, testA),
# what belongs to images, numbers, dates and those of cameras (100CANON), and hashes.
TRAIN = re.compile(r"train(?:ing)?[-_]?(?:\d+|[ab])?")
OTHER_SPLITS = re.compile(
    r"(?:val|valid|validation|eval|dev|test|testing|unlabell?ed)[-_]?(?:\d+|[ab])?"
)
BESIDE_IMAGES = {"annotation", "annotations", "labels", "mask", "masks"}
NUMBERED = re.compile(
    r"(?:batch|chunk|data|folder|fold|group|images?|img|page|part|set|shard|split|video)?[-_. ]?"
    r"\d+(?:[-_. ]\d+)*|\d{3}[a-z_]{5}"
)
HASH = re.compile(r"[0-9a-f]+")
MIN_ALPHA = 0.95  # below this a pixel is transparent
BRIGHT = 200  # mean level of what is visible, from which it vanishes on white
SPANS = {  # values of data.pattern, and what the paths of images in such folders begin with
    "span-{SPAN}": re.compile(r"span-\d{1,9}/"),
    "{YYYY}-{MM}-{DD}": re.compile(r"\d{4}-\d{2}-\d{2}/"),
    "{YYYY}/{MM}/{DD}": re.compile(r"\d{4}/\d{2}/\d{2}/"),
}

Result = TypeVar("Result")


@dataclass(frozen=True)
class Pictures:
    """What was seen of a folder. Sizes are those of the shorter sides in the sample, in pixels.

    Attributes:
        files: number of image files.
        readable: share of the sample that could be opened, above 0 and at most 1.
        problem: one file that could not, with the reason, in one line; empty if all could.
        smallest: size of the smallest image.
        low: a twentieth of the images are smaller.
        median: half of the images are smaller.
        largest: size of the largest image.
        aspect: median ratio of width to height.
        narrow: a quarter of these ratios are smaller.
        wide: a quarter of these ratios are larger.
        gray: whether nearly all images are gray.
        transparent: whether some images have transparent pixels.
        bright: whether what is visible of those is nearly white.
        classes: numbers of files by class, that of first-level folders or in archives; empty if
            there are none.
        sizes: (height, width) of the images in the sample.
        labeled: whether archives name some of the classes.
        spans: a data.pattern for which all images would lie in spans; empty if there is none, or
            if a pattern is set.
        turned: share of images that are upright where most are landscape, or the other way round.
        unread: how many other files are pictures that are not read, by their endings; empty if
            there are none.
    """

    files: int
    readable: float
    problem: str
    smallest: int
    low: int
    median: int
    largest: int
    aspect: float
    narrow: float
    wide: float
    gray: bool
    transparent: bool
    bright: bool
    classes: Mapping[str, int]
    sizes: tuple[tuple[int, int], ...]
    labeled: bool = False
    spans: str = ""
    turned: float = 0.0
    unread: str = ""

    @property
    def are_oblong(self) -> bool:
        """Whether a rectangle suits them better than a square."""
        return self.narrow >= OBLONG or self.wide <= 1 / OBLONG

    @property
    def have_classes(self) -> bool:
        """Whether their folders or archives may sort them by what they show."""
        return len(self.classes) > 1 and not self.spans and not self.have_splits

    @property
    def have_splits(self) -> bool:
        """Whether their folders are the splits of a data set."""
        names = [name.lower() for name in self.classes]
        trained, others = (
            sum(pattern.fullmatch(name) is not None for name in names)
            for pattern in (TRAIN, OTHER_SPLITS)
        )
        return len(names) > 1 and (trained + others == len(names) or min(trained, others) > 0)

    @property
    def name_kinds(self) -> bool:
        """Whether the names of their folders may be those of kinds of pictures.

        Numbers are, if some have one digit. Labels in archives always are.
        """
        if self.labeled:
            return True
        names = [name.lower() for name in self.classes]
        numbered = all(len(name) > 1 and NUMBERED.fullmatch(name) for name in names)
        hashes = len({*map(len, names)}) == 1 and all(HASH.fullmatch(name) for name in names)
        hashes = hashes and {*map(str.isdigit, "".join(names))} == {True, False}
        return not (numbered or hashes or BESIDE_IMAGES & {*names})

    @property
    def usable(self) -> int:
        """An estimate of the number of images, without those that cannot be read."""
        return round(self.files * self.readable)

    def smaller_than(self, height: int, width: int) -> float:
        """An estimate of the share, of those that can be read, that is less high or less wide."""
        return sum(h < height or w < width for h, w in self.sizes) / len(self.sizes)

    def describe(self) -> str:
        """What was seen, in one line."""
        color = "gray" if self.gray else "color"
        size, sides = f"of {self._size(self.median)}", f"{self.smallest:,} to {self.largest:,}"
        if self.narrow <= 1 / OBLONG and self.wide >= OBLONG:  # no picture is as their median
            shorter = sides if self.largest > self.smallest else f"{self.median:,}"
            size = f"with shorter sides of {shorter} pixels"
        elif self.largest > self.smallest:
            size = f"of about {self._size(self.median)} (shorter sides {sides} pixels)"
        text = f"{self.files:,} {color} picture{'' if self.files == 1 else 's'} {size}"
        if len(self.classes) > 1:
            what = "classes" if self.labeled else "folders"
            text += f" in {len(self.classes):,} {what}"
        narrow, wide = f"{self.narrow:.2g}", f"{self.wide:.2g}"
        if narrow != wide:
            text += f", half of them {narrow} to {wide} times as wide as high"
        if self.transparent:
            text += ", some transparent"
        if self.spans:
            text += f"; the folders look like spans: data.pattern={self.spans!r} reads the newest"
        if self.turned >= TURNED and self.are_oblong:
            which = "upright" if self.aspect > 1 else "landscape"
            text += (
                f"; {percentage(self.turned)} of them {which}: data.fit=crop cuts these to the "
                "shape of the others, data.fit=pad keeps them whole"
            )
        if self.problem:
            text += f"; {percentage(1 - self.readable)} cannot be read: {self.problem}"
        if self.unread:
            text += f"; not read: {self.unread}; convert them to JPEG or PNG"
        return text

    def _size(self, shorter: int) -> str:
        wide = self.aspect >= 1
        return (
            f"{round(shorter * self.aspect)}x{shorter}"
            if wide
            else f"{shorter}x{round(shorter / self.aspect)}"
        )


class _Place(NamedTuple):
    """An image file and the folder that its path is relative to."""

    folder: str
    file: ImageFile


class _Colors(NamedTuple):
    """The colors of one image; brightness is None if it has no transparent pixels."""

    gray: bool
    brightness: float | None


def look(data: DataConfig) -> Pictures:
    """Looks at the images that a run would read.

    Args:
        data: folder, pattern and window of the images, and max_pixels, above which none is opened.

    Raises:
        ImageDataError: a folder is missing or unreadable, has no images, or none can be read.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    places, others = _list_places(data)
    quick = [place for place in places if place.file.quick]
    sample = _choose_evenly(quick, REMOTE_SAMPLE if is_remote(data.folder) else SAMPLE)
    options = ImageOptions(resolution=SIDE, min_size=1, max_pixels=data.max_pixels)
    problems: list[str] = []
    with contextlib.ExitStack() as stack:
        folders = {place.folder for place in sample}
        readers = {folder: stack.enter_context(ImageReader(folder)) for folder in folders}
        read = functools.partial(_read, readers=readers, options=options, problems=problems)
        headers = {place: header for place in sample if (header := read(place, read_header))}
        colors = _look_at_colors(headers, read)
    if not colors:
        raise ImageDataError(
            f"{data.folder}: none of the image files that were opened can be read, "
            f"{len(problems):,} of {len(places):,}: {problems[0]}"
        )
    sides = np.sort([min(header.width, header.height) for header in headers.values()])
    aspects = np.array([header.width / header.height for header in headers.values()])
    narrow, aspect, wide = np.percentile(aspects, [25, 50, 75]).tolist()
    readable = 1 - len(problems) / len(sample)
    suffice = len(colors) >= min(MIN_GRAY, round(readable * len(places)))
    bright = [each.brightness for each in colors if each.brightness is not None]
    labels = Counter(place.file.class_label for place in places)
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
        gray=_are_gray(colors) and (suffice or _are_gray([*headers.values()])),
        transparent=len(bright) > TRANSPARENT_IMAGES * len(colors),
        bright=bool(bright) and float(np.mean(bright)) > BRIGHT,
        classes={label: count for label, count in sorted(labels.items()) if label},
        sizes=tuple((header.height, header.width) for header in headers.values()),
        labeled=any(place.file.label for place in places),
        spans="" if data.pattern else _find_spans(places),
        turned=float(np.mean((aspects - 1) * (aspect - 1) < 0)),
        unread=describe_endings(unread(others)),
    )


def _list_places(data: DataConfig) -> tuple[list[_Place], Counter[str]]:
    """The images, and the numbers of other files by their endings."""
    window = find_windows(data.folder, data, data.span, data.unpaired_source).images
    places, others = [], Counter[str]()
    for span in window:
        folder = os.path.join(data.folder, span.folder).rstrip("/") or "/"
        listed = list_folder(folder, required=span is window[-1], names_only=True)
        places += [_Place(folder, file) for file in listed.images]
        others += listed.others
    return places, others


def _find_spans(places: Sequence[_Place]) -> str:
    fitting = (
        pattern
        for pattern, beginning in SPANS.items()
        if all(beginning.match(place.file.path) for place in places)
    )
    return next(fitting, "")


def _choose_evenly(places: Sequence[_Place], count: int) -> list[_Place]:
    """Chooses at most `count` of the sorted files, in an order whose beginning is even as well."""
    chosen = min(count, len(places))
    golden = (math.sqrt(5) - 1) / 2
    order = sorted(range(chosen), key=lambda i: i * golden % 1)
    return [places[i * len(places) // chosen] for i in order]


def _read(
    place: _Place,
    read: Callable[[BinaryIO, ImageOptions], Result],
    readers: Mapping[str, ImageReader],
    options: ImageOptions,
    problems: list[str],
) -> Result | None:
    """Reads a file, or adds to the problems why it cannot be read."""
    try:
        if place.file.problem:
            raise RejectedImage(place.file.problem)
        with warnings.catch_warnings(), readers[place.folder].open(place.file) as stream:
            warnings.simplefilter("ignore")  # Pillow's about damaged files
            return read(stream, options)
    except RejectedImage as rejected:
        reason = str(rejected)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    problems.append(f"{shorten(place.file.path)!r} ({reason})")
    return None


def _look_at_colors(
    headers: Mapping[_Place, ImageHeader], read: Callable[..., _Colors | None]
) -> list[_Colors]:
    """Decodes images within MAX_DECODED, and at least MIN_DECODED."""
    costs = {
        place: header.width * header.height // (JPEG_REDUCTION if header.jpeg else 1)
        for place, header in headers.items()
    }
    chosen, left = [], MAX_DECODED
    for place, cost in costs.items():
        if cost <= left or len(chosen) < MIN_DECODED:
            chosen.append(place)
            left -= cost
    found = [
        read(place, _transparent_colors if headers[place].may_be_transparent else _opaque_colors)
        for place in chosen
    ]
    return [colors for colors in found if colors is not None]


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
    brightness = black.sum() / max(alpha.sum(), 1) if alpha.min() < MIN_ALPHA else None
    return _Colors(_is_gray(black), brightness)


def _are_gray(images: Sequence[_Colors | ImageHeader]) -> bool:
    return sum(each.gray for each in images) >= GRAY_IMAGES * len(images)


def _is_gray(pixels: np.ndarray) -> bool:
    return bool(np.percentile(np.ptp(pixels, axis=-1), GRAY_PIXELS) <= MAX_SPREAD)
