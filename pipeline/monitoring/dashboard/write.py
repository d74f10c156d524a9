"""The dashboard as files, for any web server or to open from disk."""

import shutil
from pathlib import Path

from pipeline.failures import OutputError
from pipeline.monitoring.dashboard.pages import Site
from trainer.common.files import locked

MARK = ".iadb-dashboard"  # a file in every dashboard


def write(site: Site, folder: Path) -> int:
    """Writes all pages to a folder, replacing an earlier dashboard.

    The folder is complete at any time except between two renames. Files that a killed process left
    beside it are removed.

    Args:
        site: the pages.
        folder: a new or empty one, or one with a dashboard.

    Returns:
        The number of pages.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_replaceable(folder)
        with locked(folder.with_name(f".{folder.name}.lock")):
            new, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
            for left in (new, old):
                if left.exists():
                    shutil.rmtree(left)
            count = 0
            for path in site.paths():
                page = site.page(path)
                if page:  # else its file was removed since
                    (new / path).parent.mkdir(parents=True, exist_ok=True)
                    (new / path).write_bytes(page.content)
                    count += 1
            (new / MARK).touch()
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from None
    return count


def _check_replaceable(folder: Path) -> None:
    if (
        folder.exists()
        and not (folder / MARK).exists()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise OutputError(
            f"{folder} is not empty and not a dashboard; name a new folder with --out"
        )
