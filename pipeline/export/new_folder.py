"""A folder that an export writes, which appears when it is complete."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.atomic_pusher.versions import SAVED_MODEL
from pipeline.registry import serving
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.files import name_place
from trainer.common.signals import stop_on_signals
from trainer.common.text import ending, printable
from trainer.names import METADATA, TEACHER, WARM_UP

# The files of every SavedModel: the training writes its weights into one.
NEEDED = (SAVED_MODEL, "variables/variables.index", "variables/variables.data-00000-of-00001")


class ExportError(ValueError):
    """A model that cannot be laid out, or a folder that is taken."""

    exit_code = exit_codes.USAGE


def check_outside(output: Path, model: Path, kind: str) -> None:
    """Raises an ExportError for a file or folder, which `kind` says, in the folder of the model."""
    if output.resolve().is_relative_to(model.resolve()):
        raise ExportError(f"{output} lies in the model; name another {kind} with -o")


def check_not_served(output: Path, model: Path, workspace: Workspace) -> None:
    """Checks that an export is not written among the versions of a workspace.

    There, servers would load it past verdict, withdrawal and journal.

    Raises:
        ExportError: it would be.
    """
    beside = model.resolve().parent
    served = {
        workspace.serving.resolve(),
        *([beside] if beside.name == workspace.serving.name else []),
    }
    if any(output.resolve().is_relative_to(each) for each in served):
        raise ExportError(f"{output} lies among the versions that are served; name another with -o")


@contextmanager
def new_folder(folder: Path, version: Path) -> Iterator[Path]:
    """Gives a hidden folder to make and fill, which becomes `folder` unless there is an error.

    Args:
        folder: to make; may be an empty one.
        version: folder of the model, which `folder` must not be in.

    Raises:
        ExportError: the folder is not empty, lies in the model, or is a volume's.
    """
    folder = folder.resolve()  # a link, or `.`, has no name to write beside
    check_outside(folder, version, "folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is there already; name a new folder with -o")
    if os.path.ismount(folder):
        raise ExportError(f"{folder} is where a volume is mounted; name a new folder in it with -o")
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")  # others may export there
    shutil.rmtree(partial, ignore_errors=True)
    with stop_on_signals():
        try:
            yield partial
            partial.replace(folder)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError):
                name_place(error, partial, folder)
            raise


def copy_model(version: Path, folder: Path) -> None:
    """Copies a pushed version to a folder to make, without what is hidden or only servers read.

    Of folders of this machine, the metadata of the copy has the last part of the path.

    Raises:
        NoModelError: the metadata of the version are damaged.
        ExportError: a file of the model is missing or empty, or the version contains a link, which
            may lead to anything of this machine.
    """
    if link := next((path for path in sorted(version.rglob("*")) if path.is_symlink()), None):
        raise ExportError(f"{printable(str(link))} is a link; replace it by what it leads to")
    for name in NEEDED:
        if not (version / name).is_file() or not (version / name).stat().st_size:
            raise ExportError(f"{version / name} is missing or empty; export another version")
    about = _without_paths(serving.read_metadata(version))

    # shutil.copytree continues after an error and hides its errno.
    for path in (version, *sorted(version.rglob("*"))):
        parts = path.relative_to(version).parts
        copied = folder.joinpath(*parts)
        if any(part.startswith(".") or part == Path(WARM_UP).name for part in parts):
            continue
        if path.is_dir():
            copied.mkdir(parents=True)
        elif path == version / METADATA:
            copied.write_text(json.dumps(about, indent=2, sort_keys=True), "utf-8")
        else:
            shutil.copy2(path, copied)


def _without_paths(about: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a model without where folders are on this machine."""
    split = about.get("split") or {}
    for section, key, kept in (
        (about, TEACHER, 3),  # model/5/Format-Serving
        (about, "warm_started_from", 3),
        (split, "data.holdout", 1),
    ):
        if section.get(key):
            section[key] = ending(section[key], kept)
    return about
