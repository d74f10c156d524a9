"""Pins weights by their SHA-256: only what the configuration names is loaded."""

import functools
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.features.errors import FeatureError
from trainer.common.text import first_line

CHUNK_BYTES = 1 << 20


def digest(uri: str) -> str:
    """The SHA-256 of a file, or of a folder with all its files.

    This prints the digest of the current folder: `find -type f -printf '%P\\0' | LC_ALL=C sort -z |
    xargs -0 sha256sum -z | sha256sum`.

    Args:
        uri: a path, or a URI that tf.io.gfile opens (gs://...).

    Returns:
        64 hexadecimal digits.

    Raises:
        FeatureError: nothing is at the URI, or it cannot be read.
    """
    if "://" not in uri:
        return _digest(_existing(uri))
    with tempfile.TemporaryDirectory() as folder:
        return _digest(_download(uri, Path(folder)))


@contextmanager
def pinned(uri: str, sha256: str) -> Iterator[Path]:
    """Yields a temporary copy of a file or folder with the digest `sha256`.

    Loading the copy loads exactly the files whose digest was checked.

    Raises:
        FeatureError: nothing is at the URI, it cannot be read, or it has another digest.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = (_download if "://" in uri else _copy)(uri, Path(folder))
        found = _digest(path)
        if found != sha256:
            raise FeatureError(
                f"evaluate.features.sha256: {uri} has the digest {found}, expected {sha256}; "
                "restore the pinned file, or pin this one if you trust it"
            )
        yield path


def _existing(path: str) -> Path:
    if not Path(path).exists():
        raise FeatureError(f"no file or folder {path}")
    return Path(path)


def _files(path: Path) -> list[Path]:
    """The file itself, or all files below a folder, sorted by relative path."""
    if path.is_file():
        return [path]
    return sorted((file for file in path.rglob("*") if file.is_file()), key=bytes)


def _digest(path: Path) -> str:
    try:
        digests = {bytes(file.relative_to(path)): _file_digest(file) for file in _files(path)}
    except OSError as error:
        raise FeatureError(f"cannot read {error.filename}: {error.strerror}") from None
    if path.is_file():
        [result] = digests.values()
        return result
    lines = (found.encode() + b"  " + name + b"\0" for name, found in digests.items())
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _file_digest(path: Path) -> str:
    result = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(functools.partial(file.read, CHUNK_BYTES), b""):
            result.update(chunk)
    return result.hexdigest()


def _copy(path: str, folder: Path) -> Path:
    """Copies a local file or folder into another, keeping its name."""
    source = _existing(path).resolve()
    target = folder / Path(path).resolve().name
    try:
        for file in _files(source):
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    except PermissionError as error:
        raise FeatureError(f"cannot read {error.filename}: {error.strerror}") from None
    return target


def _download(uri: str, folder: Path) -> Path:
    """Copies a remote file or folder into a local one, keeping its name."""
    import tensorflow as tf  # takes seconds, which digests of local files do not need

    gfile = tf.io.gfile
    uri = uri.rstrip("/")
    base = uri.rpartition("/")[0]
    try:
        sources = [uri]
        if gfile.isdir(uri):
            sources = [
                f"{parent.rstrip('/')}/{name}"
                for parent, _, names in gfile.walk(uri)
                for name in names
            ]
        for source in sources:
            target = folder / source.removeprefix(base).lstrip("/")
            # Object stores accept any text as a name.
            if not target.resolve().is_relative_to(folder.resolve()):
                raise FeatureError(f"refused {source}: its name leads out of the folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            gfile.copy(source, str(target))
    except tf.errors.OpError as error:
        raise FeatureError(f"cannot read {uri}: {first_line(error)}") from None
    return folder / uri.rpartition("/")[2]
