"""Opens the images that were listed: files, objects in buckets, and entries of archives."""

import errno
import functools
import io
import os
import threading
from collections import OrderedDict
from typing import BinaryIO

from components.image_example_gen.files import PARQUET, ImageFile
from components.image_example_gen.folders.storage import (
    CHANGED,
    MAX_IMAGE_BYTES,
    TOO_LARGE,
    Stat,
    is_remote,
    join,
    open_file,
    read_object,
    stat_file,
)

OPEN_ARCHIVES = 4


class ImageReader:
    """Opens images of a folder, in several threads. Some archives stay open until it is closed.

    Args:
        folder: that was listed, local or a URI.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._archives: OrderedDict[str, _Archive] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> "ImageReader":
        return self

    def __exit__(self, *_: object) -> None:
        while self._archives:
            self._archives.popitem()[1].close()

    def open(self, file: ImageFile) -> BinaryIO:
        """Opens an image. One in an archive or a bucket is read whole.

        Decoding it then meets no failure of a network, which would look like a damaged image.

        Raises:
            OSError: it cannot be read; `strerror` is the reason, for example that it is in a bucket
                and larger than MAX_IMAGE_BYTES.
            RejectedImage: it is damaged in its archive.
            StorageError: the storage does not answer, or refuses the credentials.
        """
        if file.archive:
            return io.BytesIO(self._archive(file).read(file.offset, file.size))
        path = join(self._folder, file.path)
        return io.BytesIO(read_object(path, file.size)) if is_remote(path) else _open_local(path)

    def _archive(self, file: ImageFile) -> "_Archive":
        path = join(self._folder, file.archive)
        with self._lock:
            archive = self._archives.pop(path, None)
            if archive is None:
                if stat_file(path) != Stat(file.archive_size, file.mtime_ns):
                    raise OSError(errno.ESTALE, CHANGED)
                archive = _Archive(path)
            self._archives[path] = archive
            if len(self._archives) > OPEN_ARCHIVES:
                self._archives.popitem(last=False)  # closed when no thread reads it any more
        return archive


class _Archive:
    """An open archive, of which one thread reads at a time."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        stream = open_file(path)
        self.close = stream.close
        if path.lower().endswith(PARQUET):
            from components.image_example_gen.folders.parquet import ParquetContent

            self._read = ParquetContent(stream).read
        else:
            self._read = functools.partial(_read_at, stream)

    def read(self, offset: int, size: int) -> bytes:
        """Reads the content of an entry."""
        with self._lock:
            return self._read(offset, size)


def _read_at(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)


def _open_local(path: str) -> BinaryIO:
    """Opens a file, but not a large one of a kind that Pillow reads whole before its header."""
    file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    if os.fstat(file.fileno()).st_size > MAX_IMAGE_BYTES:
        start = file.read(12)
        if start[8:] == b"WEBP" or start[4:8] == b"ftyp":
            file.close()
            raise OSError(errno.EFBIG, TOO_LARGE)
        file.seek(0)
    return file
