"""Files that outlive a process or are shared by several: atomic writes, locks, safe reading."""

import errno
import fcntl
import os
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTS = ".*.partial"  # pattern of the files that killed processes leave, beside those to write
HOLDER_LENGTH = 200  # bytes at most, of a holder's name in its lock file


class LockHeldError(RuntimeError):
    """Another process holds a lock file; the message says which, and since when."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to, which replaces `path` at the end.

    On an error the written part is removed and `path` stays as it was. Of several writers at once,
    each has a part of its own, and the last one to end wins. A killed process leaves its part.
    """
    # Short, so that any name that `path` can have is possible; the number of a process may be that
    # of another one in another container.
    partial = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            name_place(error, partial, path)
        raise


def name_place(error: OSError, partial: Path, path: Path) -> None:
    """Has an error name what the user knows, in place of a hidden part of it or of nothing.

    A write to an open file does not say which one filled the disk.
    """
    full = error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT)
    # A copy or a renaming names two files.
    named = [str(name) for name in (error.filename, error.filename2)]
    if full or any(name.startswith(str(partial)) for name in named):
        error.filename, error.filename2 = str(path), None


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Waits until no other process holds the lock file; the lock of a dead process is free.

    Raises:
        OSError: the file cannot be written or locked, or is a link.
    """
    with open(_open_lock(lock), "rb") as file:
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


@contextmanager
def holding(lock: Path) -> Iterator[None]:
    """Holds a lock file, until the process ends at the latest, and records this process in it.

    Also keeps out processes on other machines, if the file system is one of the network that
    supports locks (NFS 4, CephFS).

    Raises:
        LockHeldError: another process holds it.
        OSError: the file cannot be written or locked, or is a link.
    """
    descriptor = _open_lock(lock)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, HOLDER_LENGTH).decode(errors="replace").strip()
            raise LockHeldError(holder or "another process") from None
        os.ftruncate(descriptor, 0)
        this = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}\n"
        os.write(descriptor, this.encode())
        os.fsync(descriptor)  # so that other machines see it
        yield
    finally:
        os.close(descriptor)


def _open_lock(lock: Path) -> int:
    """Opens a lock file; a link could lead to any file of the user, which would be overwritten."""
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, f"{lock.name} is a link; remove it", str(lock)) from None
        raise


def sync_tree(folder: Path) -> None:
    """Waits until a folder and all below it, without what links lead to, are on disk."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)


def sync(path: Path) -> None:
    """Waits until a file, or the list of entries of a folder, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(descriptor: int) -> None:
    """Has what is written to an open descriptor go nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
