"""Where images are: local paths, and buckets behind s3:// and gs://, read by pyarrow.fs.

Credentials are found as the SDKs of AWS and Google find them: in the environment, in files of the
user, or from the machine. Without any, requests are anonymous, as public buckets allow. A server
with the API of S3 is set by AWS_ENDPOINT_URL. Requests that fail are repeated.
"""

import errno
import functools
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from components.image_example_gen.errors import ImageDataError, StorageError
from trainer.common.text import first_line, without_secrets

if TYPE_CHECKING:  # its import takes a third of a second, which local folders save
    from pyarrow import fs

Relation = Literal["same", "inside", "around"]  # of a folder to another
MAX_IMAGE_BYTES = 256 << 20  # an image in a bucket or an archive is read whole, then decoded
TOO_LARGE = f"more than {MAX_IMAGE_BYTES >> 20} MiB"
CHANGED = "it has changed since it was listed"
BLOCK_BYTES = 4 << 20  # of an archive in a bucket, which one request reads
ATTEMPTS, CONNECT_SECONDS, ANSWER_SECONDS = 5, 10, 30
CHECK = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or `gcloud auth application-default login`",
}


class Stat(NamedTuple):
    """Size in bytes, and time of the last modification in nanoseconds since 1970."""

    size: int
    mtime_ns: int


def is_remote(path: str) -> bool:
    """Whether it is a URI and not a local path."""
    return "://" in path


def join(folder: str, path: str) -> str:
    """The local path or URI of what `path` names in a folder; an empty folder adds nothing."""
    return f"{folder.rstrip('/')}/{path}" if is_remote(folder) else os.path.join(folder, path)


def relate(folder: str, other: str) -> Relation | None:
    """How one folder lies to another, links followed; None: apart. Each is local or a URI."""
    one, two = (
        f"{(each if is_remote(each) else os.path.realpath(each)).rstrip('/')}/"
        for each in (folder, other)
    )
    if one == two:
        return "same"
    if one.startswith(two):
        return "inside"
    return "around" if two.startswith(one) else None


def is_folder(path: str) -> bool:
    """Whether a local path is a folder or a link to one, or a URI has objects below it."""
    return _info(path).type.name == "Directory" if is_remote(path) else os.path.isdir(path)


def no_folder(path: str) -> ImageDataError:
    """The error for a local path or a URI that should be a folder."""
    there = _exists(path) if is_remote(path) else os.path.exists(path)
    problem = "not a folder" if there else "no such folder"
    return ImageDataError(f"{path}: {problem}; expected a folder with images")


def list_folders(folder: str) -> list[str]:
    """Lists the names of the folders in a folder, sorted, without links.

    Raises:
        ImageDataError: the folder is missing or unreadable.
    """
    if is_remote(folder):
        # Google's API, as pyarrow uses it, tells of folders only by what is below them.
        found = _list(folder, recursive=folder.startswith("gs://"))
        return sorted({path.partition("/")[0] for path, info in found if "/" in path or not info})
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise ImageDataError(f"{folder}: the folder cannot be read ({error.strerror})") from None


def walk_bucket(uri: str) -> Iterator[tuple[str, Stat]]:
    """Yields the objects at any depth below a URI, with a request for each thousand.

    Raises:
        ImageDataError: there are none.
        StorageError: as all functions for URIs: the storage does not answer, or refuses.
    """
    return ((path, stat) for path, stat in _list(uri, recursive=True) if stat)


def stat_file(path: str) -> Stat:
    """Size and time of a file, local or at a URI; an OSError without it."""
    if not is_remote(path):
        info = os.stat(path)
        return Stat(info.st_size, info.st_mtime_ns)
    if (found := _stat(_info(path))) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return found


def open_file(path: str) -> BinaryIO:
    """Opens a file to be read at any place, local or at a URI in blocks; an OSError without it."""
    return io.BufferedReader(_Object(path), BLOCK_BYTES) if is_remote(path) else open(path, "rb")


def read_object(uri: str, size: int) -> bytes:
    """Reads an object of the size that was listed.

    Raises:
        OSError: it is too large, gone, or has another size by now; `strerror` says which.
    """
    if size > MAX_IMAGE_BYTES:
        raise OSError(errno.EFBIG, TOO_LARGE)
    filesystem, path = _filesystem(uri)
    with _translated(uri), filesystem.open_input_stream(path) as stream:
        content = stream.read(size + 1)
    if len(content) != size:
        raise OSError(errno.ESTALE, CHANGED)
    return content


class _Object(io.RawIOBase):
    """An object in a bucket, of which each read is a request."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        filesystem, path = _filesystem(uri)
        with _translated(uri):
            self._file = filesystem.open_input_file(path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:
        with _translated(self._uri):
            return self._file.readinto(buffer)


def _list(uri: str, recursive: bool) -> Iterator[tuple[str, Stat | None]]:
    """Yields what is below a URI, by path; None for folders."""
    from pyarrow.fs import FileSelector

    filesystem, path = _filesystem(uri)
    with _translated(uri):
        selector = FileSelector(path, allow_not_found=True, recursive=recursive)
        found = filesystem.get_file_info(selector)
    if not found and not _exists("/".join(uri.split("/")[:3])):
        raise StorageError(f"{uri}: no such bucket")
    if not found and not is_folder(uri):
        raise no_folder(uri)
    for info in found:
        yield info.path[len(path) + 1 :], _stat(info)


def _exists(uri: str) -> bool:
    return _info(uri).type.name != "NotFound"


def _info(uri: str) -> "fs.FileInfo":
    filesystem, path = _filesystem(uri)
    with _translated(uri):
        return filesystem.get_file_info(path)


def _stat(info: "fs.FileInfo") -> Stat | None:
    """Size and time of an object, in whole seconds, as some answers of S3 have no others."""
    return Stat(info.size, info.mtime_ns // 10**9 * 10**9) if info.is_file else None


def _filesystem(uri: str) -> tuple["fs.FileSystem", str]:
    """The file system that a URI is in, and the path in it: the bucket, and the key if any."""
    scheme, _, path = uri.partition("://")
    bucket = path.partition("/")[0]
    if scheme not in CHECK or not bucket:
        raise ImageDataError(
            f"{uri}: expected a local folder, s3://bucket/folder or gs://bucket/folder"
        )
    with _translated(uri):
        if scheme == "gs":
            return _google(), path.rstrip("/")
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return _s3(bucket, endpoint), path.rstrip("/")


@functools.cache
def _s3(bucket: str, endpoint: str | None) -> "fs.FileSystem":
    from pyarrow import fs

    return fs.S3FileSystem(
        endpoint_override=endpoint,
        region=None if endpoint else fs.resolve_s3_region(bucket),
        connect_timeout=CONNECT_SECONDS,
        request_timeout=ANSWER_SECONDS,
        retry_strategy=fs.AwsDefaultS3RetryStrategy(max_attempts=ATTEMPTS),
    )


@functools.cache
def _google() -> "fs.FileSystem":
    import google.auth
    from pyarrow import fs

    try:
        google.auth.default()
        anonymous = False
    except google.auth.exceptions.DefaultCredentialsError:
        anonymous = True
    return fs.GcsFileSystem(anonymous=anonymous, retry_time_limit=timedelta(seconds=ANSWER_SECONDS))


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Makes one line of what pyarrow raises: a missing file is its own, all else the storage's."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    except (OSError, ValueError) as error:
        reason = without_secrets(first_line(error).partition(" error_info=")[0])
        raise StorageError(
            f"{uri}: the storage refuses or does not answer ({reason}); check the "
            f"network, the name of the bucket, and {CHECK[uri.partition('://')[0]]}"
        ) from error
