"""The numbered versions below a serving folder: listed, published and removed whole or not at all.

TensorFlow Serving takes every child of the folder whose name is a number for a version, whatever is
in it, and loads the highest (FileSystemStoragePathSource). So a version has its number last.
Imports neither TFX nor TensorFlow.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainer.common.files import locked

METADATA = Path("assets.extra") / "iadb.json"  # beside saved_model.pb
SAVED_MODEL = "saved_model.pb"
MODEL_NOTE = "model"  # key of the metadata: the Model's id in ML Metadata
ROLLBACK_NOTE = "rollback_of"  # key of the metadata: the version that is live again

_NUMBER = re.compile("[0-9]{1,18}")  # TensorFlow Serving reads them into 64 bits
_LOCK = ".lock"
_HIDDEN = ".partial-"  # of a version that is not there yet, or no more


def complete_versions(serving: Path) -> list[Path]:
    """The versions that can be loaded, lowest number first."""
    children = list(serving.iterdir()) if serving.is_dir() else []
    found = [path for path in children if _NUMBER.fullmatch(path.name)]
    return sorted((path for path in found if (path / SAVED_MODEL).is_file()), key=_number)


def partial_versions(serving: Path) -> list[Path]:
    """What was left of versions by processes that were killed."""
    return list(serving.glob(f"{_HIDDEN}*"))


def next_number(names: Iterable[str]) -> int:
    """The number of a new version: the time in seconds, or one more than the highest of the names.

    The clock may have gone back, and two pushes may come in one second.
    """
    numbers = [int(name) for name in names if _NUMBER.fullmatch(name)]
    return max([int(time.time()), *(number + 1 for number in numbers)])


def publish(model: Path, serving: Path, notes: Mapping[str, Any]) -> Path:
    """Copies a SavedModel to a new highest version, which readers see complete or not at all.

    A process that is killed leaves a hidden folder, which the next one removes.

    Args:
        model: folder of a sampler SavedModel.
        serving: folder of the versions, on a file system that renames; made where there is none.
        notes: what to add to the metadata of the version.

    Returns:
        The folder of the version.
    """
    serving.mkdir(parents=True, exist_ok=True)
    with locked(serving / _LOCK):
        for left in partial_versions(serving):
            shutil.rmtree(left)
        number = next_number(path.name for path in serving.iterdir())
        hidden, version = serving / f"{_HIDDEN}{number}", serving / str(number)
        try:
            _copy(model, hidden)
            metadata = json.loads((hidden / METADATA).read_text("utf-8"))
            (hidden / METADATA).write_text(add_notes(metadata, notes), "utf-8")
            # A power cut may keep the name of a folder and lose what lay in it.
            for path in (*hidden.rglob("*"), hidden):
                _sync(path)
            hidden.rename(version)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        _sync(serving)
    return version


def remove(version: Path) -> None:
    """Removes a version, which readers see complete or not at all."""
    with locked(version.parent / _LOCK):
        hidden = version.with_name(f"{_HIDDEN}{version.name}")
        version.rename(hidden)
        shutil.rmtree(hidden)


def add_notes(metadata: Mapping[str, Any], notes: Mapping[str, Any]) -> str:
    """The text of a version's metadata."""
    return json.dumps({**metadata, **notes}, indent=2, sort_keys=True)


def _number(version: Path) -> int:
    return int(version.name)


def _copy(source: Path, target: Path) -> None:
    """Copies a folder; shutil.copytree would go on after an error, and hide its errno."""
    for path in (source, *sorted(source.rglob("*"))):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir()
        else:
            shutil.copyfile(path, copied)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
