"""Opens the images that `files` lists: files, files behind URIs, and entries of archives."""

import errno
import io
import os
import threading
from collections import OrderedDict
from typing import BinaryIO, Protocol

from components.image_example_gen.archives.entry import PARQUET, TOO_LARGE
from components.image_example_gen.archives.stream import RemoteStream, open_archive, stat_archive
from components.image_example_gen.files import ImageFile
from components.image_example_gen.storage.remote import MAX_IMAGE_BYTES, is_remote, join, storage_of

OPEN_ARCHIVES = 4


class _Archive(Protocol):
    def read(self, offset: int, size: int) -> bytes:
        """Reads the content of an entry."""
        ...

    def close(self) -> None:
        """Closes the archive."""
        ...


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
        """Opens an image. One in an archive or behind a URI is read whole.

        Decoding it then meets no failure of a network, which would look like a damaged image.

        Raises:
            OSError: it cannot be read; `strerror` is the reason, for example that it is behind a
                URI and larger than MAX_IMAGE_BYTES.
            RejectedImage: it is damaged in its archive.
            StorageError: the storage does not answer, or refuses the credentials.
        """
        if file.archive:
            return io.BytesIO(self._archive(file).read(file.offset, file.size))
        path = join(self._folder, file.path)
        if not is_remote(path):
            return _open_local(path)
        content = storage_of(path).read(path, MAX_IMAGE_BYTES)
        if content is None:
            raise OSError(errno.EFBIG, TOO_LARGE)
        return io.BytesIO(content)

    def _archive(self, file: ImageFile) -> _Archive:
        path = join(self._folder, file.archive)
        with self._lock:
            archive = self._archives.pop(path, None)
            if archive is None:
                stat = stat_archive(path)
                if stat != (file.archive_size, file.mtime_ns):
                    raise OSError(errno.ESTALE, "the archive has changed since it was listed")
                archive = _open(path, stat.size)
            self._archives[path] = archive
            if len(self._archives) > OPEN_ARCHIVES:
                self._archives.popitem(last=False)  # closed when no thread reads it any more
        return archive


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


def _open(path: str, size: int) -> _Archive:
    stream = open_archive(path, size)
    if path.lower().endswith(PARQUET):
        return _ParquetContent(stream)
    return _TarContent(stream)


class _TarContent:
    """The content of the files in a tar, which several threads read at once."""

    def __init__(self, stream: BinaryIO | RemoteStream) -> None:
        self._stream = stream
        self.close = stream.close

    def read(self, offset: int, size: int) -> bytes:
        if isinstance(self._stream, RemoteStream):
            return self._stream.read_at(offset, size)
        return os.pread(self._stream.fileno(), size, offset)


class _ParquetContent:
    """The images in a Parquet file, whose rows are read one batch after the other."""

    def __init__(self, stream: BinaryIO) -> None:
        from components.image_example_gen.archives.parquet import ParquetContent

        self._content = ParquetContent(stream)
        self._lock = threading.Lock()
        self.close = self._content.close

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            return self._content.read(offset, size)
