"""Paths in object stores, with the methods of pathlib.Path that this project uses.

TensorFlow accesses them, with credentials that it finds itself. It is imported at the first access.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType, SimpleNamespace

from trainer.common.files import atomic_write


class RemotePath(PurePosixPath):
    """A path such as gs://bucket/folder. There are no links, and a folder is what has contents."""

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    def exists(self) -> bool:
        """Whether there is a file or folder."""
        return _files().exists(str(self))

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return _files().isdir(str(self))

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.exists() and not self.is_dir()

    def is_symlink(self) -> bool:
        """False."""
        return False

    def resolve(self) -> "RemotePath":
        """The path itself, which is absolute."""
        return self

    def iterdir(self) -> Iterator["RemotePath"]:
        """Yields what is in the folder."""
        for name in _files().listdir(str(self)):
            yield self / name.rstrip("/")

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Yields what matches the pattern."""
        for path in _files().glob(str(self / pattern)):
            yield RemotePath(path)

    def lstat(self) -> SimpleNamespace:
        """`st_size` in bytes, `st_mtime` in seconds since 1970, and `st_nlink`, 1."""
        found = _files().stat(str(self))
        return SimpleNamespace(st_size=found.length, st_mtime=found.mtime_nsec / 1e9, st_nlink=1)

    def read_bytes(self) -> bytes:
        """The content of the file.

        Raises:
            FileNotFoundError: there is none.
        """
        if not self.is_file():
            raise FileNotFoundError(str(self))
        with _files().GFile(str(self), "rb") as file:
            return file.read()

    def read_text(self, encoding: str) -> str:
        """The content of the file, as text."""
        return self.read_bytes().decode(encoding)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Writes the file."""
        self.write_bytes(text.encode(encoding))

    def write_bytes(self, content: bytes) -> None:
        """Writes the file, which appears when it is complete."""
        with _files().GFile(str(self), "wb") as file:
            file.write(content)

    def touch(self) -> None:
        """Writes an empty file."""
        self.write_text("")

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Creates the folder with its parents; it may exist."""
        _files().makedirs(str(self))

    def unlink(self) -> None:
        """Removes the file."""
        _files().remove(str(self))

    def rmtree(self) -> None:
        """Removes the folder with its contents."""
        _files().rmtree(str(self))

    def copy_from(self, source: "AnyPath") -> None:
        """Copies a file to this path."""
        self.parent.mkdir(parents=True, exist_ok=True)
        _files().copy(str(source), str(self), overwrite=True)


AnyPath = Path | RemotePath


def to_path(uri: str) -> AnyPath:
    """The path of a URI: in an object store, or on this machine."""
    return RemotePath(uri) if "://" in uri else Path(uri)


def list_files(folder: AnyPath) -> Iterator[AnyPath]:
    """Yields all files below a folder; links to folders are not followed."""
    walk = _files().walk if isinstance(folder, RemotePath) else os.walk
    for below, _, names in walk(str(folder)):
        yield from (type(folder)(below, name) for name in names)


def write_atomically(path: AnyPath, content: bytes) -> None:
    """Writes a file, which appears when it is complete."""
    if isinstance(path, RemotePath):
        path.write_bytes(content)
    else:
        with atomic_write(path) as partial:
            partial.write_bytes(content)


def remove_tree(folder: AnyPath) -> None:
    """Removes a folder with its contents."""
    if isinstance(folder, RemotePath):
        folder.rmtree()
    else:
        shutil.rmtree(folder)


def _files() -> ModuleType:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    return tf.io.gfile
