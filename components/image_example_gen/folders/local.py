"""Walks a local folder, without leaving it."""

import os
import stat
from collections.abc import Callable, Iterator

from components.image_example_gen.errors import ImageDataError, not_listed
from components.image_example_gen.folders.storage import Stat

# Folders of previews, and of what was deleted or found again, by network drives, Windows, macOS and
# Linux; small letters.
OF_DEVICES = {
    "lost+found",
    *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "__macosx"),
    *("$recycle.bin", "recycler", "system volume information"),
}

LINK = "link to a folder"  # a problem of what is no file

Found = tuple[str, Stat | None, str]


def walk_local(root: str, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """Yields the visible files at any depth, in any order, and links to folders.

    Args:
        root: the folder.
        wanted: tells from a name whether size and time of the file are needed.

    Yields:
        The path below the folder in printable form; size and time, None if they are not wanted or
        there is a problem; and the problem, of a file that cannot be opened or a LINK; empty if
        there is none.

    Raises:
        ImageDataError: the folder or one below it cannot be read.
        StorageError: the same, since a disk or a network drive does not answer.
    """
    real_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    if is_hidden(entry.name):
                        continue
                    if _is_folder(entry):
                        if entry.is_symlink():
                            yield printable_path(path), None, LINK
                        else:
                            waiting.append(path)
                    elif wanted(entry.name):
                        yield printable_path(path), *_inspect(entry, real_root)
                    else:
                        yield printable_path(path), None, ""
        except OSError as error:
            if not below:
                raise ImageDataError(
                    f"{root}: the folder cannot be read ({error.strerror})"
                ) from None
            if not isinstance(error, FileNotFoundError):  # it was removed meanwhile
                raise not_listed(root, f"folder {printable_path(below)!r}", error) from None


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's images."""
    return name.startswith(".") or name.casefold() in OF_DEVICES


def printable_path(path: str) -> str:
    """A path with bytes that are not UTF-8 escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _inspect(entry: os.DirEntry, real_root: str) -> tuple[Stat | None, str]:
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return None, "name of the file or of a folder is not UTF-8: rename it"
    try:
        # Only a link can lead out of the folder.
        link = os.path.realpath(entry.path, strict=True) if entry.is_symlink() else None
        info = os.stat(link) if link else entry.stat(follow_symlinks=False)
    except OSError:
        return None, "broken link"
    if link and os.path.commonpath((link, real_root)) != real_root:
        return None, "link to a file outside the folder: copy the file into it (cp -rL)"
    # Opening a pipe would block forever.
    if not stat.S_ISREG(info.st_mode):
        return None, "not a regular file"
    return Stat(info.st_size, info.st_mtime_ns), ""
