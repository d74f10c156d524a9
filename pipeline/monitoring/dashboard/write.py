"""The dashboard as files, for any web server, or to open from a disk."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.evaluation.errors import OutputError
from pipeline.monitoring.dashboard.pages import Site

MARK = ".iadb-dashboard"  # a file in every folder that was written


def write(site: Site, folder: Path) -> int:
    """Writes all pages into a folder, in place of an earlier dashboard.

    The folder is complete at any time, but for the moment between two renames. What a killed
    process left beside it is removed by the next.

    Args:
        site: the pages.
        folder: to make, or one that is empty or holds a dashboard.

    Returns:
        How many pages there are.

    Raises:
        OutputError: the folder holds something else, or cannot be made.
    """
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _refuse_others(folder)
        with _locked(folder):
            new, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
            for left in (new, old):
                if left.exists():
                    shutil.rmtree(left)
            paths = site.paths()
            for path in paths:
                (new / path).parent.mkdir(parents=True, exist_ok=True)
                (new / path).write_bytes(site.page(path).content)
            (new / MARK).touch()
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from None
    return len(paths)


def _refuse_others(folder: Path) -> None:
    if (
        folder.exists()
        and not (folder / MARK).exists()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise OutputError(
            f"{folder} holds something else than a dashboard; name a new folder with --out"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits until no other process writes the folder; a dead process holds nothing."""
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
