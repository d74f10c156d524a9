"""One interface to folders behind URIs, S3 by boto3 and others by TFX, and to local paths."""

import os
from typing import Literal

from components.image_example_gen.storage.base import Storage

Relation = Literal["same", "inside", "around"]  # of a folder to another
MAX_IMAGE_BYTES = 256 << 20  # an image behind a URI is read whole, before it is decoded


def is_remote(path: str) -> bool:
    """Whether it is a URI and not a local path."""
    return "://" in path


def needs_tfx(path: str) -> bool:
    """Whether it is a URI that only TFX can read, whose import takes seconds."""
    return is_remote(path) and not path.startswith("s3://")


def storage_of(uri: str) -> Storage:
    """The storage of a URI; its library is imported now."""
    if needs_tfx(uri):
        from components.image_example_gen.storage.tfx_files import TfxFiles

        return TfxFiles()
    from components.image_example_gen.storage.s3 import S3

    return S3()


def join(folder: str, path: str) -> str:
    """The local path or URI of what `path` names in a folder; an empty folder adds nothing.

    A key of a bucket may begin with a slash, or contain `..`, which mean nothing there.
    """
    if is_remote(folder):
        return f"{folder.rstrip('/')}/{path}"
    return os.path.join(folder, path)


def relate(folder: str, other: str) -> Relation | None:
    """How one folder lies to another, links followed; None: apart. Each is local or a URI."""
    one, two = _real(folder), _real(other)
    if one == two:
        return "same"
    if one.startswith(two):
        return "inside"
    return "around" if two.startswith(one) else None


def is_folder(path: str) -> bool:
    """Whether a local path or a URI is a folder or a link to one."""
    return storage_of(path).is_folder(path) if is_remote(path) else os.path.isdir(path)


def exists(path: str) -> bool:
    """Whether there is something at a local path or a URI."""
    return storage_of(path).exists(path) if is_remote(path) else os.path.exists(path)


def _real(folder: str) -> str:
    """The path of a folder without links, with a slash at the end."""
    return f"{(folder if is_remote(folder) else os.path.realpath(folder)).rstrip('/')}/"
