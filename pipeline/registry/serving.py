"""The served model, in a numbered version of the serving folder."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.atomic_pusher.versions import (
    METADATA,
    SAVED_MODEL,
    TEACHER_NOTE,
    complete_versions,
)
from components.image_trainer import names as trainer_names
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.progress import phase
from trainer.common.remote_path import AnyPath
from trainer.names import FINGERPRINT
from trainer.serving import model_metadata
from trainer.serving.model_metadata import MetadataError
from trainer.serving.stored_model import StoredModel


class NoModelError(RuntimeError):
    """No model was pushed yet, or a folder holds none that can be used."""

    exit_code = exit_codes.USAGE


class ServeCheckError(RuntimeError):
    """A model that does not serve; the message says why in one line."""

    exit_code = exit_codes.UNEXPECTED


def latest_model(serving: AnyPath) -> AnyPath:
    """The folder of the newest complete version.

    Raises:
        NoModelError: there is none.
    """
    versions = complete_versions(serving)
    if not versions:
        raise NoModelError(f"no model in {serving}{what_makes_one(serving)}")
    return versions[-1]


def what_makes_one(serving: AnyPath) -> str:
    """What a folder without versions waits for, and how to get at a trained model before."""
    trained = newest_trained(serving)
    if trained is None:
        return "; `iadb run` pushes one when it is blessed"
    where = shlex.join(["--workspace", str(serving.parent)])  # a translator has its sources there
    return (
        f", though some were trained: `iadb models {where}` lists them, `iadb sample --model "
        f"{shlex.quote(str(trained))} {where}` draws from the newest, and `iadb promote` makes one "
        "live although it is not blessed"
    )


def newest_trained(serving: AnyPath) -> Path | None:
    """The newest sampler that runs of the same workspace trained, pushed or not.

    None without one, and in a bucket, which is not searched.
    """
    if not isinstance(serving, Path):
        return None
    models = Workspace(serving.parent).artifacts / trainer_names.NODE / trainer_names.MODEL
    found = [
        file.parent
        for file in models.glob(f"*/{trainer_names.SERVING}/{SAVED_MODEL}")
        if file.parent.parent.name.isdecimal()  # the number of an execution
    ]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


def find_model(serving: AnyPath, model: Path | None) -> AnyPath:
    """The folder of the given model, or of the newest complete version if none is given.

    Raises:
        NoModelError: the folder has no SavedModel with metadata, or there is no version.
    """
    if model is None:
        return latest_model(serving)
    for file in (SAVED_MODEL, METADATA):
        if not (model / file).is_file():
            raise NoModelError(f"{model}: not a model that `iadb run` pushed: it has no {file}")
    return model


def is_copy(version: AnyPath, model: AnyPath) -> bool:
    """Whether a version is a copy of a SavedModel; an OSError if one has no fingerprint."""
    # TensorFlow writes a random id into the fingerprint of each SavedModel.
    return (version / FINGERPRINT).read_bytes() == (model / FINGERPRINT).read_bytes()


def find_live(serving: AnyPath, model: AnyPath) -> AnyPath | None:
    """The newest version if it is a copy of the given SavedModel, else None."""
    try:
        live = latest_model(serving)
        same = is_copy(live, model)
    except (NoModelError, OSError):  # there is none, or one without a fingerprint
        return None
    return live if same else None


def find_live_student(serving: AnyPath, teacher: int | None) -> AnyPath | None:
    """The newest version if it is a student of the model with this number, else None."""
    try:
        live = latest_model(serving)
        notes = read_metadata(live)
    except (NoModelError, OSError):  # there is none, or one of another program
        return None
    return live if teacher is not None and notes.get(TEACHER_NOTE) == teacher else None


def read_model(folder: AnyPath, *needed: str) -> StoredModel:
    """The model in a folder, with its metadata: its configuration, its training, its steps.

    Args:
        folder: of a SavedModel.
        needed: the fields of the metadata without which the caller cannot use the model.

    Raises:
        NoModelError: the metadata are missing or damaged, or lack a field that is needed.
        OSError: they cannot be read.
    """
    file = folder / METADATA
    instead = "choose another version with --model, or make one live with `iadb promote`"
    try:
        return StoredModel(folder, model_metadata.read(folder, *needed))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoModelError(f"{file} is missing; {instead}") from error
    except MetadataError as error:
        raise NoModelError(f"{file} is damaged ({error}); {instead}") from error


def read_metadata(folder: AnyPath) -> dict[str, Any]:
    """All that is recorded beside a model; errors as of `read_model`."""
    return read_model(folder).metadata


def check(model: AnyPath) -> subprocess.CompletedProcess:
    """Calls every signature of a model in a fresh process that cannot see this project."""
    script = Path(__file__).with_name("serve_check.py")
    with phase("loading the model and calling its signatures"):
        return subprocess.run(
            [sys.executable, "-I", str(script), str(model.resolve())],
            cwd="/",
            capture_output=True,
            text=True,
        )


def describe_failure(result: subprocess.CompletedProcess) -> str:
    """Why `check` failed, in one line."""
    return f"does not serve: {(result.stderr.strip().splitlines() or ['no message'])[-1]}"
