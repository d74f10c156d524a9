"""Lists the image files below a folder and fingerprints them.

A file is an image if it has one of SUFFIXES. Other files (labels.csv, README.txt) are only counted;
hidden files and folders (.DS_Store, .git) are ignored. Links to folders are not followed, links to
files only inside the folder.

TFX, whose import takes seconds, is imported only for remote folders.
"""

import hashlib
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import ModuleType
from typing import BinaryIO

from components.image_example_gen.errors import ImageDataError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
)
NO_ENDING = "none"
SHOWN_ENDINGS = 5


@dataclass(frozen=True, order=True)
class ImageFile:
    """A file that should be an image.

    Attributes:
        path: relative to the data folder, with forward slashes; bytes that are not UTF-8 are
            escaped.
        size: size in bytes.
        mtime_ns: time of the last modification, in nanoseconds since 1970.
        problem: why the file cannot be opened; empty if it can.
        span: number of its span.
        span_folder: folder of its span, with which the path begins; empty for the data folder.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    problem: str = ""
    span: int = 0
    span_folder: str = ""

    @property
    def path_in_span(self) -> str:
        """The path relative to the span's folder."""
        return self.path.removeprefix(f"{self.span_folder}/") if self.span_folder else self.path


def list_images(folder: str, *, required: bool = True, names_only: bool = False) -> list[ImageFile]:
    """Lists the image files at any depth below a local folder or a URI (gs://), sorted by path.

    Args:
        folder: local or a URI.
        required: whether a folder without image files is an error.
        names_only: leaves out size and time of files behind a URI: each costs a request.

    Raises:
        ImageDataError: the folder is missing, unreadable or, if required, has no image file.
    """
    files = sorted(_image_files(_root_of(folder), names_only=names_only))
    if required and not files:
        raise _no_images(folder)
    return files


def check_has_images(folder: str) -> None:
    """Raises what `list_images` would raise about the whole folder; stops at the first image."""
    if not count_images(folder, 1):
        raise _no_images(folder)


def count_images(folder: str, at_most: int) -> int:
    """Counts the image files at any depth below a folder; stops at `at_most`.

    Raises:
        ImageDataError: the folder is missing or unreadable.
    """
    return sum(1 for _ in itertools.islice(_image_files(_root_of(folder)), at_most))


def count_other_files(folder: str) -> Counter[str]:
    """Counts the visible files below a folder that are not images by their endings.

    Returns:
        Counts by the ending in lower case (.heic); NO_ENDING for names without one, or with one
        that is not up to 8 ASCII letters and digits.
    """
    names = (name for _, names in _walk(folder.rstrip("/") or "/") for name in names)
    return Counter(_ending(name) for name in names if not _is_image(name))


def describe_endings(counts: Mapping[str, int]) -> str:
    """Lists the most frequent endings in one line: `10 .heic, 1 without an ending`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [
        f"{count:,} {'without an ending' if ending == NO_ENDING else ending}"
        for ending, count in ordered[:SHOWN_ENDINGS]
    ]
    if more := sum(count for _, count in ordered[SHOWN_ENDINGS:]):
        texts.append(f"{more:,} others")
    return ", ".join(texts)


def open_image(folder: str, path: str) -> BinaryIO:
    """Opens a file for reading by its path from `list_images(folder)`."""
    name = os.path.join(folder, path)
    return _fileio().open(name, "rb") if _is_remote(folder) else open(name, "rb")


def is_folder(path: str) -> bool:
    """Whether a local path or a URI is a folder or a link to one."""
    return _fileio().isdir(path) if _is_remote(path) else os.path.isdir(path)


def list_folders(folder: str) -> list[str]:
    """Lists the names of the folders in a folder, sorted, without links.

    Raises:
        ImageDataError: the folder is missing or unreadable.
    """
    try:
        if _is_remote(folder):
            names = [name.rstrip("/") for name in _fileio().listdir(folder)]
            return sorted(name for name in names if is_folder(f"{folder}/{name}"))
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        reason = error.strerror or "no such folder"  # TFX gives no reason for remote folders
        raise ImageDataError(f"{folder}: the folder cannot be read ({reason})") from None


def fingerprint(files: Iterable[ImageFile]) -> str:
    """Returns a digest of the paths, sizes, modification times and problems of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0{file.problem}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _is_remote(folder: str) -> bool:
    return "://" in folder


def _fileio() -> ModuleType:
    from tfx.dsl.io import fileio

    return fileio


def _exists(path: str) -> bool:
    return _fileio().exists(path) if _is_remote(path) else os.path.exists(path)


def _is_image(name: str) -> bool:
    return PurePath(name).suffix.lower() in SUFFIXES


def _ending(name: str) -> str:
    ending = PurePath(name).suffix.lower()
    return ending if re.fullmatch(r"\.[0-9a-z]{1,8}", ending) else NO_ENDING


def _walk(
    root: str, on_error: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yields each visible folder below the root with the names of its visible files."""
    walk = _fileio().walk if _is_remote(root) else os.walk
    for parent, folders, names in walk(root, onerror=on_error):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield parent, [name for name in names if not name.startswith(".")]


def _root_of(folder: str) -> str:
    root = folder.rstrip("/") or "/"
    if not is_folder(root):
        problem = "not a folder" if _exists(root) else "no such folder"
        raise ImageDataError(f"{folder}: {problem}; expected a folder with images")
    return root


def _no_images(folder: str) -> ImageDataError:
    others = count_other_files(folder)
    found = f", found {describe_endings(others)}" if others else ""
    return ImageDataError(
        f"{folder}: no image files below this folder{found}; image files end in "
        f"{' '.join(sorted(SUFFIXES))}, and links to folders are not followed"
    )


def _image_files(root: str, *, names_only: bool = False) -> Iterator[ImageFile]:
    return _walk_remote(root, names_only) if _is_remote(root) else _walk_local(root)


def _walk_remote(root: str, names_only: bool) -> Iterator[ImageFile]:
    for parent, names in _walk(root):
        below = parent.rstrip("/").removeprefix(root).lstrip("/")
        for name in filter(_is_image, names):
            path = os.path.join(below, name)
            if names_only:
                yield ImageFile(path)
                continue
            info = _fileio().stat(os.path.join(root, path))
            yield ImageFile(path, info.length, info.mtime_nsec)


def _walk_local(root: str) -> Iterator[ImageFile]:
    unreadable: list[OSError] = []
    real_root = os.path.realpath(root)
    for parent, names in _walk(root, unreadable.append):
        for name in filter(_is_image, names):
            file = os.path.join(parent, name)
            yield _inspect(file, _printable(os.path.relpath(file, root)), real_root)
    for error in unreadable:
        if error.filename == root:
            raise ImageDataError(f"{root}: the folder cannot be read ({error.strerror})")
        path = _printable(os.path.relpath(error.filename, root))
        yield ImageFile(path, problem=f"folder cannot be read ({error.strerror})")


def _inspect(file: str, path: str, real_root: str) -> ImageFile:
    try:
        file.encode()
    except UnicodeEncodeError:
        return ImageFile(path, problem="name is not UTF-8")
    try:
        real = os.path.realpath(file, strict=True)
        info = os.stat(real)
    except OSError:
        return ImageFile(path, problem="broken link")
    if os.path.commonpath((real, real_root)) != real_root:
        return ImageFile(path, problem="link to a file outside the folder")
    # Opening a pipe would block forever.
    if not stat.S_ISREG(info.st_mode):
        return ImageFile(path, problem="not a regular file")
    return ImageFile(path, info.st_size, info.st_mtime_ns)


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
