"""Files of gs:// and other URIs, by TFX."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.errors import StorageError
from components.image_example_gen.storage.base import Stat
from components.image_example_gen.storage.local import is_hidden
from trainer.common.text import first_line

# What TensorFlow says of a single file; all else says that the storage could not be used.
_OF_A_FILE = {
    tf.errors.NotFoundError: errno.ENOENT,
    tf.errors.PermissionDeniedError: errno.EACCES,
    tf.errors.FailedPreconditionError: errno.EISDIR,
}


class TfxFiles:
    """A Storage (remote.py) that TFX reads."""

    def is_folder(self, uri: str) -> bool:
        """Whether the URI is a folder."""
        with _translated(uri):
            return fileio.isdir(uri)

    def exists(self, uri: str) -> bool:
        """Whether the URI exists."""
        with _translated(uri):
            return fileio.exists(uri)

    def list_folders(self, uri: str) -> list[str]:
        """Lists the names of the folders in a folder."""
        with _translated(uri):
            names = [name.rstrip("/") for name in fileio.listdir(uri)]
        return [name for name in names if self.is_folder(f"{uri}/{name}")]

    def walk(self, uri: str) -> Iterator[tuple[str, Stat | None]]:
        """Yields the files at any depth; size and time would cost a request each."""
        with _translated(uri):
            for parent, folders, names in fileio.walk(uri):
                folders[:] = [name for name in folders if not is_hidden(name)]
                below = parent.rstrip("/").removeprefix(uri).lstrip("/")
                yield from ((os.path.join(below, name), None) for name in names)

    def stat(self, uri: str) -> Stat:
        """Returns size and time of a file."""
        with _translated(uri):
            info = fileio.stat(uri)
        return Stat(info.length, info.mtime_nsec)

    def read(self, uri: str, max_bytes: int) -> bytes | None:
        """Reads a file; None if it has more bytes."""
        content = self.read_range(uri, 0, max_bytes + 1)
        return content if len(content) <= max_bytes else None

    def read_range(self, uri: str, start: int, size: int) -> bytes:
        """Reads so many bytes of a file, fewer at its end."""
        with _translated(uri), fileio.open(uri, "rb") as file:
            file.seek(start)
            return file.read(size)


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    try:
        yield
    except tuple(_OF_A_FILE) as error:
        code = _OF_A_FILE[type(error)]
        raise OSError(code, os.strerror(code)) from error
    except tf.errors.OpError as error:
        raise StorageError(f"{uri}: cannot be read: {first_line(error)}") from error
