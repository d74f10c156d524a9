"""Lists the image files below a folder and fingerprints them.

A file is an image if it has one of SUFFIXES. Other files (labels.csv, README.txt) are only counted;
hidden files and folders (.DS_Store, .git) are ignored. Links to folders are not followed, links to
files only inside the folder.

Folders behind URIs are read by `storage`. TFX, whose import takes seconds, is imported only for
those that are not in S3.
"""

import errno
import hashlib
import io
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import BinaryIO

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.storage.remote import MAX_IMAGE_BYTES, is_remote, storage_of

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
)
NO_ENDING = "none"
SHOWN_ENDINGS = 5


@dataclass(frozen=True, slots=True)  # there may be millions
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


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        images: the image files, sorted by path.
        others: counts of the visible files that are not images, by the ending in lower case
            (.heic); NO_ENDING for names without one, or with one that is not up to 8 ASCII letters
            and digits.
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
    found = _image_files(_root_of(folder), others, names_only=names_only)
    if below:
        found = (
            ImageFile(f"{below}/{f.path}", f.size, f.mtime_ns, f.problem, span, below)
            for f in found
        )
    images = list(found)
    if required and not images:
        raise _no_images(folder, others)
    sort_files(images)
    return Listing(images, others)


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
    if next(_image_files(_root_of(folder), others), None) is None:
        raise _no_images(folder, others)


def count_images(folder: str, at_most: int) -> int:
    """Counts the image files at any depth below a folder; stops at `at_most`.

    Raises:
        ImageDataError: the folder is missing or unreadable.
    """
    files = _image_files(_root_of(folder), Counter(), names_only=True)
    return sum(1 for _ in itertools.islice(files, at_most))


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
    """Opens a file for reading by its path from `list_images(folder)`.

    One behind a URI is read whole, so that decoding it meets no failure of a network.

    Raises:
        OSError: this file cannot be read; `strerror` is the reason, for example that it is behind a
            URI and larger than MAX_IMAGE_BYTES.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    if not is_remote(folder or path):
        return open(os.path.join(folder, path), "rb")
    uri = f"{folder.rstrip('/')}/{path}" if folder else path
    content = storage_of(uri).read(uri, MAX_IMAGE_BYTES)
    if content is None:
        raise OSError(errno.EFBIG, f"more than {MAX_IMAGE_BYTES >> 20} MiB")
    return io.BytesIO(content)


def is_folder(path: str) -> bool:
    """Whether a local path or a URI is a folder or a link to one."""
    return storage_of(path).is_folder(path) if is_remote(path) else os.path.isdir(path)


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
    """Returns a digest of the paths, sizes, modification times and problems of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0{file.problem}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _exists(path: str) -> bool:
    return storage_of(path).exists(path) if is_remote(path) else os.path.exists(path)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _ending(name: str) -> str:
    ending = os.path.splitext(name)[1].lower()
    return ending if re.fullmatch(r"\.[0-9a-z]{1,8}", ending) else NO_ENDING


def _root_of(folder: str) -> str:
    root = folder.rstrip("/") or "/"
    if not is_folder(root):
        problem = "not a folder" if _exists(root) else "no such folder"
        raise ImageDataError(f"{folder}: {problem}; expected a folder with images")
    return root


def _no_images(folder: str, others: Mapping[str, int]) -> ImageDataError:
    found = f", found {describe_endings(others)}" if others else ""
    return ImageDataError(
        f"{folder}: no image files below this folder{found}; image files end in "
        f"{' '.join(sorted(SUFFIXES))}, and links to folders are not followed"
    )


def _image_files(
    root: str, others: Counter[str], *, names_only: bool = False
) -> Iterator[ImageFile]:
    """Yields the images in any order, and counts the other files by their endings."""
    if is_remote(root):
        return _walk_remote(root, others, names_only)
    return _walk_local(root, others)


def _walk_remote(root: str, others: Counter[str], names_only: bool) -> Iterator[ImageFile]:
    storage = storage_of(root)
    for path, stated in storage.walk(root):
        if any(part.startswith(".") for part in path.split("/")):
            continue
        if not _is_image(path):
            others[_ending(path)] += 1
        elif stated or names_only:
            yield ImageFile(path, *(stated or ()))
        else:
            yield ImageFile(path, *storage.stat(f"{root}/{path}"))


def _walk_local(root: str, others: Counter[str]) -> Iterator[ImageFile]:
    real_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    if entry.name.startswith("."):
                        continue
                    if _is_folder(entry):
                        if not entry.is_symlink():
                            waiting.append(path)
                    elif _is_image(entry.name):
                        yield _inspect(entry, _printable(path), real_root)
                    else:
                        others[_ending(entry.name)] += 1
        except OSError as error:
            if not below:
                raise ImageDataError(
                    f"{root}: the folder cannot be read ({error.strerror})"
                ) from None
            yield ImageFile(_printable(below), problem=f"folder cannot be read ({error.strerror})")


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _inspect(entry: os.DirEntry, path: str, real_root: str) -> ImageFile:
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return ImageFile(path, problem="name is not UTF-8")
    try:
        # Only a link can lead out of the folder.
        link = os.path.realpath(entry.path, strict=True) if entry.is_symlink() else None
        info = os.stat(link) if link else entry.stat(follow_symlinks=False)
    except OSError:
        return ImageFile(path, problem="broken link")
    if link and os.path.commonpath((link, real_root)) != real_root:
        return ImageFile(path, problem="link to a file outside the folder")
    # Opening a pipe would block forever.
    if not stat.S_ISREG(info.st_mode):
        return ImageFile(path, problem="not a regular file")
    return ImageFile(path, info.st_size, info.st_mtime_ns)


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
