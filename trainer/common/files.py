"""Files that several processes share: atomic writes, locks, and reading what others may replace."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to, which replaces `path` at the end.

    On an error the written part is removed and `path` stays as it was. A killed process leaves the
    part, which the next one overwrites.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Waits until no other process holds the lock file; the lock of a dead process is free."""
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def open_below(folder: Path, path: Path) -> BinaryIO:
    """Opens a regular file below a folder, without following a link on the way to it.

    For files that someone else may replace: a link could lead to any file of this machine, and a
    pipe would block its reader.

    Args:
        folder: is followed if it is a link itself.
        path: of the file; begins with the folder.

    Raises:
        OSError: the path leads elsewhere, contains a link, or is no regular file.
    """
    if not path.is_relative_to(folder) or ".." in path.parts:
        raise PermissionError(f"{path}: not below {folder}")
    opened = os.open(folder, os.O_RDONLY)
    try:
        for name in path.relative_to(folder).parts:
            above = opened
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=above)
            os.close(above)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise PermissionError(f"{path}: not a regular file")
        return open(opened, "rb")
    except BaseException:
        os.close(opened)
        raise
