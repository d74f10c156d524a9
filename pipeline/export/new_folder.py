"""A folder that an export writes, which appears when it is complete."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.registry import serving
from trainer.common import exit_codes
from trainer.common.text import printable
from trainer.names import METADATA, TEACHER, WARM_UP


class ExportError(ValueError):
    """A model that cannot be laid out, or a folder that is taken."""

    exit_code = exit_codes.USAGE


@contextmanager
def new_folder(folder: Path, version: Path) -> Iterator[Path]:
    """Gives a hidden folder to make and fill, which becomes `folder` unless there is an error.

    Args:
        folder: to make; may be an empty one.
        version: folder of the model, which `folder` must not be in.

    Raises:
        ExportError: the folder is not empty, or lies in the model.
    """
    folder = folder.resolve()  # a link, or `.`, has no name to write beside
    if folder.is_relative_to(version.resolve()):
        raise ExportError(f"{folder} lies in the model; name another folder with -o")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is there already; name a new folder with -o")
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")  # others may export there
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def copy_model(version: Path, folder: Path) -> None:
    """Copies a pushed version to a folder to make, without what is hidden or only servers read.

    Of folders of this machine, the metadata of the copy has the last names.

    Raises:
        NoModelError: the metadata of the version are damaged.
        ExportError: the version contains a link, which may lead to anything of this machine.
    """
    if link := next((path for path in sorted(version.rglob("*")) if path.is_symlink()), None):
        raise ExportError(f"{printable(str(link))} is a link; replace it by what it leads to")

    def leave_out(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith(".") or name == Path(WARM_UP).name]

    about = serving.read_metadata(version)
    shutil.copytree(version, folder, ignore=leave_out)
    content = json.dumps(_without_paths(about), indent=2, sort_keys=True)
    (folder / METADATA).write_text(content, "utf-8")


def _without_paths(about: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a model with the last names of folders in place of their paths."""
    split = about.get("split") or {}
    folders = ((about, TEACHER), (about, "warm_started_from"), (split, "data.holdout"))
    for section, key in folders:
        if section.get(key):
            section[key] = Path(section[key]).name
    return about
