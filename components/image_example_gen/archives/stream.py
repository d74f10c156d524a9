"""Archives as streams in which one can seek, local or behind a URI."""

import io
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import BinaryIO

from components.image_example_gen.storage.base import Stat, Storage
from components.image_example_gen.storage.remote import is_remote, storage_of

BLOCK_BYTES = 4 << 20  # one request
KEPT_BLOCKS = 3  # threads that read one image after the other do not stay in the same block


def stat_archive(path: str) -> Stat:
    """Size and time of an archive, local or at a URI; errors as in `open_archive`."""
    if is_remote(path):
        return storage_of(path).stat(path)
    info = os.stat(path)
    return Stat(info.st_size, info.st_mtime_ns)


def open_archive(path: str, size: int) -> BinaryIO:
    """Opens an archive; what it reads of a remote one stays in memory, up to 12 MiB.

    Args:
        path: local or a URI.
        size: from `stat_archive`.

    Raises:
        OSError: it cannot be read; `strerror` is the reason.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    return RemoteStream(storage_of(path), path, size) if is_remote(path) else open(path, "rb")


class RemoteStream(io.RawIOBase):
    """A file behind a URI, of which blocks are read as they are needed.

    Several threads may call `read_at` at once: none waits for a block that another one needs.
    """

    def __init__(self, storage: Storage, uri: str, size: int) -> None:
        super().__init__()
        self._storage = storage
        self._uri = uri
        self._size = size
        self._position = 0
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position, without a request."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Reads so many bytes, fewer only at the end; negative: all that follow."""
        most = self._size if size is None or size < 0 else size
        found = self.read_at(self._position, most)
        self._position += len(found)
        return found

    def read_at(self, offset: int, size: int) -> bytes:
        """Reads so many bytes from an offset, fewer only at the end, in any thread."""
        left = min(max(0, self._size - offset), size)
        found = []
        while left:
            index, skipped = divmod(offset, BLOCK_BYTES)
            piece = self._block(index)[skipped : skipped + left]
            if not piece:  # the file has become shorter
                break
            found.append(piece)
            offset += len(piece)
            left -= len(piece)
        return b"".join(found)

    def readinto(self, buffer: bytearray) -> int:
        """Reads as `read` does, into a buffer."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _block(self, index: int) -> bytes:
        with self._lock:
            block = self._blocks.pop(index, None)
            if is_new := block is None:
                block = Future()
            self._blocks[index] = block
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        if is_new:
            try:
                content = self._storage.read_range(self._uri, index * BLOCK_BYTES, BLOCK_BYTES)
                block.set_result(content)
            except BaseException as error:
                with self._lock:
                    self._blocks.pop(index, None)  # the next one tries again
                block.set_exception(error)
        return block.result()
