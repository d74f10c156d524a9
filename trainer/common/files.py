"""Files that outlive a process or are shared by several: atomic writes, locks, syncs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def sync(path: Path) -> None:
    """Waits until a file, or the list of entries of a folder, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
