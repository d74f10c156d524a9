"""The dashboard as files, for any web server, or to open from a disk."""

import shutil
from pathlib import Path

from pipeline.failures import OutputError
from pipeline.monitoring.dashboard.pages import Site
from trainer.common.files import locked

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
        with locked(folder.with_name(f".{folder.name}.lock")):
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
