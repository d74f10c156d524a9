"""Finds the spans of the data: folders with a number or a date that match a pattern.

Reads only folder names, and imports neither TFX nor TensorFlow for local folders.
"""

import os
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import PurePosixPath

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import (
    ImageFile,
    Listing,
    fingerprint,
    list_folder,
    list_folders,
    sort_files,
)
from components.image_example_gen.pairs import check_apart, match
from components.image_example_gen.pattern import (
    MAX_DIGITS,
    PLACEHOLDER,
    folder_expression,
    has_spans,
)
from components.image_example_gen.storage.remote import is_folder, join
from trainer import examples

EPOCH = date(1970, 1, 1)
AHEAD = timedelta(days=366)  # of today: folders may be named after the end of what is in them


@dataclass(frozen=True, order=True)
class Span:
    """The images of one folder that arrived together.

    Attributes:
        number: from the folder's name; days since 1970 for a date; 0 if the pattern has neither.
        folder: relative to the data folder, with forward slashes; empty for the data folder itself.
    """

    number: int
    folder: str


WHOLE_FOLDER = Span(0, "")


@dataclass(frozen=True)
class ImageSource:
    """Images that are read together.

    Attributes:
        folder: the data folder.
        window: its spans to read, ascending, at least one.
        split: the split of all images; None: hashes assign the images to train and eval.
        sources: folder with what a model is to translate to these images, in the same folders and
            under the same names; empty for images without.
        held_out: groups of group_pattern with images in data.holdout, none of which is trained on.
    """

    folder: str
    window: tuple[Span, ...] = (WHOLE_FOLDER,)
    split: str | None = None
    sources: str = ""
    held_out: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """The folder of all images; that of the only span where their paths begin with it."""
        return self.folder or self.window[0].folder

    def listing(self, *, names_only: bool = False) -> Listing:
        """Lists the files of the window; `names_only` as in `list_folder`.

        With `sources`, images have theirs, and files without a partner have a problem.

        Raises:
            ImageDataError: the last span of the window has no images, a folder is unreadable, no
                image has a source, or the sources are not in a folder apart.
        """
        if not self.sources:
            return self._list(names_only)
        check_apart(self.root, self.sources)
        found = self._list(names_only)
        # The paths of a held-out folder begin with it.
        window = self.window if self.folder else (WHOLE_FOLDER,)
        others = ImageSource(self.sources, self._with_sources(window))._list(names_only)
        files = match(found.images, others.images, self.sources)
        if not any(file.source for file in files):
            raise ImageDataError(
                f"{self.sources}: no file is named like one in {self.root}; a source has the path "
                f"of its image, up to the ending: found {others.images[0].path_in_span!r} and "
                f"{found.images[0].path_in_span!r}"
            )
        sort_files(files)
        return Listing(files, found.others + others.others)

    def _with_sources(self, window: tuple[Span, ...]) -> tuple[Span, ...]:
        """The spans of a window that have a folder of sources, and the last in any case."""
        *earlier, last = window
        return (*(span for span in earlier if may_have_sources(self.sources, span)), last)

    def _list(self, names_only: bool) -> Listing:
        files, others = [], Counter()
        for span in self.window:
            listed = list_folder(
                os.path.join(self.folder, span.folder).rstrip("/"),
                required=span is self.window[-1],
                names_only=names_only,
                span=span.number,
                below=span.folder,
            )
            others += listed.others
            files += listed.images
        sort_files(files)
        return Listing(files, others)

    def list_files(self, *, names_only: bool = False) -> list[ImageFile]:
        """Lists the image files of the window, sorted by path, as `listing` does."""
        return self.listing(names_only=names_only).images


def may_have_sources(sources: str, span: Span) -> bool:
    """Whether a span has a folder of sources, or there is none at all, which is an error."""
    there = join(sources, span.folder) if span.folder else sources
    return is_folder(there) or not is_folder(sources)


def holdout_source(folder: str, sources: str = "") -> ImageSource:
    """Returns the images of a held-out folder; their paths begin with the folder."""
    return ImageSource("", (Span(0, folder.rstrip("/")),), examples.HOLDOUT, sources)


def unpaired_sources(folder: str, images: str) -> ImageSource:
    """Returns all sources of a folder, not paired with images; their paths begin with the folder.

    Args:
        folder: of the sources.
        images: the data folder.

    Raises:
        ImageDataError: one of the folders is the other, or in it.
    """
    check_apart(images, folder)
    return ImageSource("", (Span(0, folder.rstrip("/")),))


class Offer:
    """What the driver has listed, for an executor in the same process; gone with this object.

    TFX hands over nothing but text.

    Args:
        sources: to list.

    Attributes:
        fingerprint: of the files.

    Raises:
        ImageDataError: as `ImageSource.listing`.
    """

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        self._listings = {source: source.listing() for source in sources}
        files = (file for each in self._listings.values() for file in each.images)
        self.fingerprint = fingerprint(files)
        for source in sources:
            _offers[self.fingerprint, source] = self

    def take(self, source: ImageSource) -> Listing:
        """Returns the listing of a source, which is then no longer kept."""
        return self._listings.pop(source)


_offers: weakref.WeakValueDictionary[tuple, Offer] = weakref.WeakValueDictionary()


def take_listing(source: ImageSource, found: str) -> Listing:
    """Returns the listing that the driver has made, or makes it.

    Args:
        source: to list.
        found: the fingerprint of all that the driver has listed, maybe on another machine.

    Raises:
        ImageDataError: as `ImageSource.listing`.
    """
    offer = _offers.pop((found, source), None)
    return offer.take(source) if offer else source.listing()


def list_spans(folder: str, pattern: str) -> list[Span]:
    """Lists the spans of a data folder, local or a URI (gs://), ascending.

    Folders that do not match the pattern are ignored. Links to folders are followed only for the
    fixed parts of the pattern.

    Args:
        folder: the data folder.
        pattern: path below it, with {SPAN} or {YYYY}, {MM}, {DD}.

    Returns:
        At least one span. Without placeholders it is Span(0, pattern), which may not exist.

    Raises:
        ImageDataError: the pattern is invalid, no folder matches it, two folders have the same
            span, a number is too long, a date is invalid, or a folder cannot be read.
    """
    parts = PurePosixPath(pattern).parts
    if not has_spans(pattern):
        return [Span(0, "/".join(parts))]
    found: dict[int, Span] = {}
    for path, values in _matches(folder.rstrip("/") or "/", "", parts, {}):
        number = _number(folder, path, values)
        span = Span(number, path)
        other = found.setdefault(number, span)
        if other is not span:
            raise ImageDataError(
                f"{folder}: the folders {other.folder!r} and {path!r} are both span {number}; "
                "rename or remove one"
            )
    if not found:
        raise ImageDataError(
            f"{folder}: no folder matches the pattern {pattern!r}; links are not followed"
        )
    return sorted(found.values())


def _matches(
    root: str, below: str, parts: Sequence[str], values: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields matching folders: the path below the root, and the text of each placeholder."""
    if not parts:
        yield below, dict(values)
        return
    part, *rest = parts
    parent = f"{root}/{below}".rstrip("/") or "/"
    if not PLACEHOLDER.search(part):
        if is_folder(f"{parent}/{part}"):
            yield from _matches(root, os.path.join(below, part), rest, values)
        return
    expression = folder_expression(part)
    for name in list_folders(parent):
        if match := expression.fullmatch(name):
            yield from _matches(
                root, os.path.join(below, name), rest, {**values, **match.groupdict()}
            )


def _number(folder: str, path: str, values: Mapping[str, str]) -> int:
    """Parses the texts of the placeholders to the number of the span."""
    if any(len(text) > MAX_DIGITS for text in values.values()):
        raise ImageDataError(
            f"{folder}: the folder {path!r} has a number with more than {MAX_DIGITS} digits; "
            "rename or remove it"
        )
    if "SPAN" in values:
        return int(values["SPAN"])
    try:
        day = date(int(values["YYYY"]), int(values["MM"]), int(values["DD"]))
    except ValueError:
        day = date.min
    if day < EPOCH:
        raise ImageDataError(
            f"{folder}: the folder {path!r} is not a valid date since 1970; rename or remove it"
        )
    if day > datetime.now(timezone.utc).date() + AHEAD:
        raise ImageDataError(
            f"{folder}: the folder {path!r} is a date more than a year from now, before which no "
            "other span would be the newest; rename or remove it"
        )
    return (day - EPOCH).days
