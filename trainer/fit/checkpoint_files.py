"""The files of checkpoints in a folder, local or remote.

The files themselves say which checkpoints exist: TensorFlow's list of them, the file `checkpoint`,
is lost or damaged if the power fails while it is written.
"""

import re
from pathlib import Path

import tensorflow as tf

from trainer.common import files

_PREFIX = "ckpt-"
_INDEX = re.compile(rf"{_PREFIX}([0-9]+)\.index")  # TensorFlow writes it last
_ANY = re.compile(rf"{_PREFIX}([0-9]+)(\.|_temp)")  # _temp: the folder of a write in progress


def path(folder: str, step: int) -> str:
    """Returns the prefix of the files of a checkpoint, as TensorFlow names checkpoints."""
    return f"{folder}/{_PREFIX}{step}"


def list_steps(folder: str) -> list[int]:
    """Lists the steps that have a checkpoint, lowest first; damaged ones are included."""
    found = (_INDEX.fullmatch(name) for name in _names(folder))
    return sorted(int(match[1]) for match in found if match)


def sync(folder: str, step: int) -> None:
    """Waits until a checkpoint in a local folder is on disk."""
    if "://" not in folder:
        for file in Path(folder).glob(f"{_PREFIX}{step}.*"):
            files.sync(file)
        files.sync(Path(folder))


def remove_others(folder: str, kept: set[int]) -> None:
    """Removes the checkpoints of all steps but those in `kept`, and what killed writes left."""
    for name in _names(folder):
        match = _ANY.match(name)
        if not match or (int(match[1]) in kept and match[2] != "_temp"):
            continue
        left = f"{folder}/{name}"
        (tf.io.gfile.rmtree if tf.io.gfile.isdir(left) else tf.io.gfile.remove)(left)


def _names(folder: str) -> list[str]:
    if not tf.io.gfile.isdir(folder):
        return []
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
