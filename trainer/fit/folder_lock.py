"""Keeps two processes from writing to one folder of checkpoints."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trainer.common import exit_codes
from trainer.common.files import LockHeldError, holding

LOCK = ".lock"


class FolderInUseError(RuntimeError):
    """Another process does the same work."""

    exit_code = exit_codes.WORKSPACE


@contextmanager
def folder_locked(folder: str, work: str) -> Iterator[None]:
    """Holds a folder, which is created, until the process ends at the latest.

    Object stores have no locks, so a folder there is not held.

    Args:
        folder: to hold.
        work: what the process that holds it does, for the message.

    Raises:
        FolderInUseError: another process holds it; the message says which.
    """
    with ExitStack() as stack:
        if "://" not in folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(holding(Path(folder) / LOCK))
            except LockHeldError as holder:
                raise FolderInUseError(
                    f"{folder} is in use by {holder}, which {work}; wait for it to end"
                ) from None
        yield
