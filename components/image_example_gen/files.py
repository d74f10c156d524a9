"""Lists the images below a folder, in files and in archives, and fingerprints them.

A file is an image if it has one of SUFFIXES, and an archive if it has one of those in `archives`,
whose entries are listed as if it were a folder. Other files (labels.csv, README.txt) are only
counted; hidden files and folders (.DS_Store, .git) are ignored. Links to folders are not followed,
links to files only inside the folder.

Folders behind URIs are read by `storage`. TFX, whose import takes seconds, is imported only for
those that are not in S3.
"""

import hashlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from unicodedata import normalize

from components.image_example_gen.archives.entry import PARQUET, ROWS, Entry
from components.image_example_gen.archives.entry import SUFFIXES as ARCHIVES
from components.image_example_gen.archives.listing import list_entries
from components.image_example_gen.errors import ImageDataError, not_listed
from components.image_example_gen.storage.local import LINK, is_hidden, printable_path, walk_local
from components.image_example_gen.storage.remote import (
    exists,
    is_folder,
    is_remote,
    join,
    storage_of,
)

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".avif"),
    }
)
_IMAGES = tuple(SUFFIXES)
_LISTED = (*_IMAGES, *ARCHIVES)
# Endings of pictures and archives that are not read, by the advice for them; all other files are
# taken for labels and the like.
UNREAD = {
    "convert them to JPEG or PNG": re.compile(
        r"\.(heic|heif|hif|jp2|j2k|jpx|jxl|svg|psd|eps|ico|tga|ppm|pgm|exr|hdr"
        r"|dng|cr2|cr3|nef|arw|orf|raf|rw2)"
    ),
    "unpack them": re.compile(r"\.(zip|tgz|tbz2?|txz|7z|rar|tar\.(gz|bz2|xz|zst))"),
}
NO_ENDING = "none"
SHOWN_ENDINGS = 5
QUICK_ROWS = 16  # at the beginning of a row group


@dataclass(frozen=True, slots=True)  # there may be millions
class ImageFile:
    """A file that should be an image.

    Attributes:
        path: relative to the data folder, with forward slashes; bytes that are not UTF-8 are
            escaped.
        size: size in bytes; 0 in Parquet, where only the content tells it.
        mtime_ns: time of the last modification, in nanoseconds since 1970.
        problem: why the file cannot be opened; empty if it can.
        span: number of its span.
        span_folder: folder of its span, with which the path begins; empty for the data folder.
        entry: length of its name in an archive, with which the path ends; 0 for a file.
        offset: of its content in the archive, as in `archives.entry`.
        label: that the archive states, empty if it states that there is none; None if it does not
            say.
        archive_size: in bytes; 0 for a file.
        source: what a model is to translate to the image; None for an image without.

    Size and problem of an entry are its own, the time is that of the archive.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    problem: str = ""
    span: int = 0
    span_folder: str = ""
    entry: int = 0
    offset: int = 0
    label: str | None = None
    archive_size: int = 0
    source: "ImageFile | None" = None

    @property
    def state(self) -> str:
        """Text that differs if the content may: path, size, time, place in an archive, source."""
        text = f"{self.path}\0{self.size}\0{self.mtime_ns}"
        if self.entry:
            text += f"\0{self.entry}\0{self.offset}\0{self.archive_size}\0{self.label or ''}"
        return f"{text}\0\0{self.source.problem}\0{self.source.state}" if self.source else text

    @property
    def archive(self) -> str:
        """The path of its archive, relative to the data folder; empty for a file."""
        return self.path[: -self.entry - 1] if self.entry else ""

    @property
    def class_label(self) -> str:
        """What its archive states, or the first folder in its span; empty outside folders."""
        if self.label is not None:
            return self.label
        path = self.path_in_span
        first, slash, _ = (path[: -self.entry - 1] if self.entry else path).partition("/")
        return normalize("NFC", first) if slash else ""

    @property
    def quick(self) -> bool:
        """Whether it is read without many others: not far inside a row group of Parquet."""
        return not self.archive.lower().endswith(PARQUET) or self.offset % ROWS < QUICK_ROWS

    @property
    def path_in_span(self) -> str:
        """The path relative to the span's folder."""
        return self.path.removeprefix(f"{self.span_folder}/") if self.span_folder else self.path


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        images: the image files, sorted by path.
        others: counts of the visible files that are not images, by the ending in lower case
            (.heic, .tar.gz); NO_ENDING for names without one, or with one that is not up to 8
            ASCII letters and digits; LINK for links to folders.
    """

    images: list[ImageFile]
    others: Counter[str]


def list_folder(
    folder: str, *, required: bool = True, names_only: bool = False, span: int = 0, below: str = ""
) -> Listing:
    """Lists the files at any depth below a local folder or a URI (gs://, s3://), in one walk.

    Args:
        folder: local or a URI.
        required: whether a folder without image files is an error.
        names_only: leaves out size and time of files behind a URI where each costs a request.
        span: number of the span that the folder is.
        below: the folder of the span, with which the paths then begin; empty if it is none.

    Raises:
        ImageDataError: the folder is missing, unreadable or, if required, has no image file.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    others: Counter[str] = Counter()
    found = walk_images(folder, others, names_only=names_only)
    if below:
        found = (
            replace(file, path=f"{below}/{file.path}", span=span, span_folder=below)
            for file in found
        )
    images = list(found)
    if required and not images:
        raise _no_images(folder, others)
    sort_files(images)
    return Listing(images, others)


def walk_images(
    folder: str, others: Counter[str], *, names_only: bool = False
) -> Iterator[ImageFile]:
    """Yields the image files of `list_folder` in any order, one at a time in memory.

    The other files are added to `others`, by ending.

    Raises:
        ImageDataError: the folder is missing or unreadable.
    """
    root = _root_of(folder)
    if is_remote(root):
        return _walk_remote(root, others, names_only)
    return _walk_local(root, others)


def list_images(folder: str, *, required: bool = True, names_only: bool = False) -> list[ImageFile]:
    """Lists the image files of `list_folder`."""
    return list_folder(folder, required=required, names_only=names_only).images


def sort_files(files: list[ImageFile]) -> None:
    """Orders files by path; escaped names may be equal to others, which have no problem.

    A key of both attributes would take as much memory as a file.
    """
    files.sort(key=attrgetter("problem"))
    files.sort(key=attrgetter("path"))


def check_has_images(folder: str) -> None:
    """Raises what `list_images` would raise about the whole folder; stops at the first image."""
    others: Counter[str] = Counter()
    if next(walk_images(folder, others), None) is None:
        raise _no_images(folder, others)


def check_not_unread(folder: str) -> None:
    """Raises what `check_has_images` raises if there are files of UNREAD, or links to folders."""
    others: Counter[str] = Counter()
    if next(walk_images(folder, others), None) is None and (unread(others) or others[LINK]):
        raise _no_images(folder, others)


def count_images(folder: str, at_most: int) -> int:
    """Counts the image files that `walk_images` yields; stops at `at_most`."""
    files = walk_images(folder, Counter(), names_only=True)
    return sum(1 for _ in itertools.islice(files, at_most))


def unread(counts: Mapping[str, int]) -> dict[str, int]:
    """Those of the counts of other files by ending that are of UNREAD."""
    return {
        ending: count
        for ending, count in counts.items()
        if any(endings.fullmatch(ending) for endings in UNREAD.values())
    }


def describe_unread(counts: Mapping[str, int]) -> list[str]:
    """Says which other files, counted by ending, are of UNREAD, and what to do with them.

    Returns:
        A line for each advice that applies: `not read: 3 .zip; unpack them`.
    """
    lines = []
    for advice, endings in UNREAD.items():
        found = {ending: n for ending, n in counts.items() if endings.fullmatch(ending)}
        if found:
            lines.append(f"not read: {describe_endings(found)}; {advice}")
    return lines


def describe_endings(counts: Mapping[str, int]) -> str:
    """Lists the most frequent endings in one line: `10 .heic, 1 without an ending`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{count:,} {_named(ending, count)}" for ending, count in ordered[:SHOWN_ENDINGS]]
    if more := sum(count for _, count in ordered[SHOWN_ENDINGS:]):
        texts.append(f"{more:,} others")
    return ", ".join(texts)


def _named(ending: str, count: int) -> str:
    named = {NO_ENDING: "without an ending", LINK: LINK if count == 1 else "links to folders"}
    return named.get(ending, ending)


def list_folders(folder: str) -> list[str]:
    """Lists the names of the folders in a folder, sorted, without links.

    Raises:
        ImageDataError: the folder is missing or unreadable.
    """
    try:
        if is_remote(folder):
            return sorted(storage_of(folder).list_folders(folder))
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        reason = error.strerror or "no such folder"  # TFX gives no reason for remote folders
        raise ImageDataError(f"{folder}: the folder cannot be read ({reason})") from None


def fingerprint(files: Iterable[ImageFile]) -> str:
    """Returns a digest of the states and the problems of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.state}\0{file.problem}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a name that does not begin with a dot has one of the endings."""
    return name.lower().endswith(endings)


def _entries(root: str, archive: ImageFile, others: Counter[str]) -> Iterator[ImageFile]:
    """Yields the images in an archive, and the archive itself if something is wrong with it."""
    for name, size, offset, label, problem in _listed(root, archive.path):
        if not name:
            yield replace(archive, problem=problem)
        elif problem or _ends(name, _IMAGES) or archive.path.lower().endswith(PARQUET):
            shown = printable_path(name)
            yield ImageFile(
                f"{archive.path}/{shown}",
                size,
                archive.mtime_ns,
                problem,
                entry=len(shown),
                offset=offset,
                label=label,
                archive_size=archive.size,
            )
        else:
            others[_ending(name)] += 1


def _listed(root: str, path: str) -> Iterator[Entry]:
    try:
        yield from list_entries(join(root, path))
    except FileNotFoundError:
        return  # it was removed meanwhile
    except OSError as error:
        raise not_listed(root, f"archive {path!r}", error) from None


def _ending(name: str) -> str:
    found = re.search(r"(\.tar)?\.[0-9a-z]{1,8}\Z", name.lower())
    return found[0] if found else NO_ENDING


def _root_of(folder: str) -> str:
    root = folder.rstrip("/") or "/"
    if not is_folder(root):
        problem = "not a folder" if exists(root) else "no such folder"
        raise ImageDataError(f"{folder}: {problem}; expected a folder with images")
    return root


def _no_images(folder: str, others: Mapping[str, int]) -> ImageDataError:
    found = f", found {describe_endings(others)}" if others else ""
    return ImageDataError(
        f"{folder}: no image files below this folder{found}; image files end in "
        f"{' '.join(sorted(SUFFIXES))}, archives of them in {' '.join(ARCHIVES)}, and links to "
        f"folders are not followed{''.join(f'; {line}' for line in describe_unread(others))}"
    )


def _walk_remote(root: str, others: Counter[str], names_only: bool) -> Iterator[ImageFile]:
    storage = storage_of(root)
    for path, stated in storage.walk(root):
        if any(map(is_hidden, path.split("/"))):
            continue
        if _ends(path, ARCHIVES):
            found = stated or storage.stat(join(root, path))
            yield from _entries(root, ImageFile(path, *found), others)
        elif not _ends(path, _IMAGES):
            others[_ending(path)] += 1
        elif stated or names_only:
            yield ImageFile(path, *(stated or ()))
        else:
            yield ImageFile(path, *storage.stat(join(root, path)))


def _walk_local(root: str, others: Counter[str]) -> Iterator[ImageFile]:
    for path, stat, problem in walk_local(root, lambda name: _ends(name, _LISTED)):
        if not problem and _ends(path, ARCHIVES):
            yield from _entries(root, ImageFile(path, *stat), others)
        elif problem == LINK:
            others[LINK] += 1
        elif problem or stat:
            yield ImageFile(path, *(stat or ()), problem=problem)
        else:
            others[_ending(path)] += 1
