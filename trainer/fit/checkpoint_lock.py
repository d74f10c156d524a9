"""Keeps two trainings from writing to one folder of checkpoints."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trainer.common import exit_codes
from trainer.common.files import LockHeldError, holding

LOCK = ".lock"


class CheckpointsInUseError(RuntimeError):
    """Another process trains the same model."""

    exit_code = exit_codes.WORKSPACE


@contextmanager
def checkpoints_locked(folder: str) -> Iterator[None]:
    """Holds a folder of checkpoints, which is created, until the process ends at the latest.

    Object stores have no locks, so a folder there is not held.

    Raises:
        CheckpointsInUseError: another process holds it; the message says which.
    """
    with ExitStack() as stack:
        if "://" not in folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(holding(Path(folder) / LOCK))
            except LockHeldError as holder:
                raise CheckpointsInUseError(
                    f"checkpoints {folder} are in use by {holder}, which trains the same model on "
                    "the same images; wait for it to end"
                ) from None
        yield
