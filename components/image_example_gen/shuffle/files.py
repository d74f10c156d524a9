"""Files that several workers write and read, local or at a URI."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tfx.dsl.io import fileio

from components.image_example_gen.folders.storage import is_remote
from trainer.common.files import sync

# Folders in an artifact.
PARTIAL = ".partial"  # while a run works: parts, and what is being written
PART_SUFFIX = ".part"
INDEX = ".index"  # where the example of each file is, for later runs
INDEX_SUFFIX = ".rows"


def open_to_read(path: str) -> BinaryIO:
    """Opens a file, local or at a URI.

    TensorFlow, which reads for TFX, takes six times as long for local files. It writes them, since
    its errors name the file on a full disk.

    Raises:
        OSError, tf.errors.OpError: it cannot be opened.
    """
    return fileio.open(path, "rb") if is_remote(path) else open(path, "rb")


@contextmanager
def complete_file(path: str, partial: str) -> Iterator[str]:
    """Yields the path of a new file in the folder `partial`, which is moved to `path` at the end.

    An exception leaves it in `partial`.
    """
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    yield unfinished
    if not is_remote(path):
        sync(Path(unfinished))  # after a power failure, an empty file would be a valid one
    fileio.rename(unfinished, path, overwrite=True)
    if not is_remote(path):
        sync(Path(path).parent)
