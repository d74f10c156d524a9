"""Lists, publishes and removes the numbered versions in a serving folder, atomically.

TensorFlow Serving loads the child of the folder with the highest number as name, whatever it
contains (FileSystemStoragePathSource). So a new version gets its number only when it is complete.
In an object store, which cannot rename, the file that servers require is written last.
Imports neither TFX nor TensorFlow.
"""

import errno
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from trainer import names
from trainer.common.files import locked, sync, sync_tree
from trainer.common.remote_path import AnyPath, RemotePath, list_files

METADATA = Path(names.METADATA)  # beside saved_model.pb
SAVED_MODEL = "saved_model.pb"
MODEL_NOTE = "model"  # key of the metadata: the Model's id in ML Metadata
TEACHER_NOTE = "teacher_model"  # key of the metadata of a student: the id of its teacher
ROLLBACK_NOTE = "rollback_of"  # key of the metadata: the version that a rollback restored

_NUMBER = re.compile("[0-9]{1,19}")
MAX_NUMBER = 2**63 - 1  # TensorFlow Serving uses 64-bit integers
_LOCK = ".lock"
_HIDDEN = ".partial-"  # prefix of versions that are being published or removed


def complete_versions(serving: AnyPath) -> list[AnyPath]:
    """Lists the versions that can be loaded, lowest number first."""
    children = list(serving.iterdir()) if serving.is_dir() else []
    found = [path for path in children if _is_number(path.name)]
    return sorted((path for path in found if _is_complete(path)), key=_number)


def partial_versions(serving: AnyPath) -> list[AnyPath]:
    """Lists the remains of versions whose publication or removal was killed."""
    if isinstance(serving, RemotePath):
        children = serving.iterdir() if serving.is_dir() else ()
        found = [path for path in children if _is_number(path.name)]
        return [path for path in found if not (path / SAVED_MODEL).is_file()]
    return list(serving.glob(f"{_HIDDEN}*"))


def next_number(names: Iterable[str]) -> int:
    """Returns the number of a new version: the time in seconds, or one more than the highest name.

    The latter happens if the clock was set back or within a second of another push.

    Raises:
        OSError: servers know no higher number.
    """
    numbers = [int(name) for name in names if _is_number(name)]
    number = max([int(time.time()), *(number + 1 for number in numbers)])
    if number > MAX_NUMBER:
        raise OSError(errno.ERANGE, f"no version can follow {MAX_NUMBER}, the highest: remove it")
    return number


def publish(
    model: AnyPath,
    serving: AnyPath,
    notes: Mapping[str, Any],
    add_files: Callable[[AnyPath], None] = lambda version: None,
) -> AnyPath:
    """Copies a SavedModel to a new highest version, which appears atomically.

    A killed process leaves a hidden folder, which the next call removes. In an object store, it
    leaves a version without SAVED_MODEL: TensorFlow Serving cannot load it, serves the previous one
    and retries after a minute.

    Args:
        model: folder of a sampler SavedModel.
        serving: folder of the versions, on a file system with atomic renames or in an object store;
            created if missing.
        notes: entries to add to the metadata of the version.
        add_files: called with the folder of the version, which has its metadata, before it is
            complete; may write further files.

    Returns:
        The folder of the version.
    """
    if isinstance(serving, RemotePath):
        return _publish_remotely(model, serving, notes, add_files)
    serving.mkdir(parents=True, exist_ok=True)
    with locked(serving / _LOCK):
        for left in partial_versions(serving):
            shutil.rmtree(left, ignore_errors=True)  # may belong to another user
        number = next_number(path.name for path in serving.iterdir())
        hidden, version = _hidden(serving, number), serving / str(number)
        try:
            _copy(model, hidden)
            metadata = json.loads((hidden / METADATA).read_text("utf-8"))
            (hidden / METADATA).write_text(add_notes(metadata, notes), "utf-8")
            add_files(hidden)
            # A power failure may keep the renamed folder and lose its content.
            sync_tree(hidden)
            hidden.rename(version)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        sync(serving)
    return version


def remove(version: AnyPath) -> None:
    """Removes a version, which disappears atomically."""
    if isinstance(version, RemotePath):
        if (version / SAVED_MODEL).is_file():
            (version / SAVED_MODEL).unlink()
        version.rmtree()
        return
    with locked(version.parent / _LOCK):
        hidden = _hidden(version.parent, version.name)
        version.rename(hidden)
        shutil.rmtree(hidden)


def add_notes(metadata: Mapping[str, Any], notes: Mapping[str, Any]) -> str:
    """Returns the metadata of a version as JSON."""
    return json.dumps({**metadata, **notes}, indent=2, sort_keys=True)


def _publish_remotely(
    model: AnyPath,
    serving: RemotePath,
    notes: Mapping[str, Any],
    add_files: Callable[[AnyPath], None],
) -> RemotePath:
    serving.mkdir(parents=True, exist_ok=True)
    version = serving / str(next_number(path.name for path in serving.iterdir()))
    last = model / SAVED_MODEL
    for path in list_files(model):
        if path not in (last, model / METADATA):
            (version / path.relative_to(model)).copy_from(path)
    metadata = json.loads((model / METADATA).read_text("utf-8"))
    (version / METADATA).parent.mkdir(parents=True, exist_ok=True)
    (version / METADATA).write_text(add_notes(metadata, notes), "utf-8")
    add_files(version)
    (version / SAVED_MODEL).copy_from(last)
    return version


def _hidden(serving: Path, number: int | str) -> Path:
    """A folder for a version that is being published or removed; one may have been left there."""
    return serving / f"{_HIDDEN}{number}-{secrets.token_hex(4)}"


def _is_number(name: str) -> bool:
    return _NUMBER.fullmatch(name) is not None and int(name) <= MAX_NUMBER


def _is_complete(version: AnyPath) -> bool:
    """Whether a version can be loaded; one that this user may not read is none."""
    try:
        return (version / SAVED_MODEL).is_file()
    except PermissionError:
        return False


def _number(version: AnyPath) -> int:
    return int(version.name)


def _copy(source: Path, target: Path) -> None:
    """Copies a folder; shutil.copytree continues after an error and hides its errno."""
    for path in (source, *sorted(source.rglob("*"))):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir()
        else:
            shutil.copyfile(path, copied)
