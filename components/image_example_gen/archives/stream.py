"""Archives as streams in which one can seek, local or behind a URI."""

import io
import os
from collections import OrderedDict
from typing import BinaryIO

from components.image_example_gen.storage.remote import Stat, Storage, is_remote, storage_of

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
    """A file behind a URI, of which blocks are read as they are needed."""

    def __init__(self, storage: Storage, uri: str, size: int) -> None:
        super().__init__()
        self._storage = storage
        self._uri = uri
        self._size = size
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

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
        left = max(0, self._size - self._position)
        left = left if size is None or size < 0 else min(left, size)
        found = []
        while left:
            index, skipped = divmod(self._position, BLOCK_BYTES)
            piece = self._block(index)[skipped : skipped + left]
            if not piece:  # the file has become shorter
                break
            found.append(piece)
            self._position += len(piece)
            left -= len(piece)
        return b"".join(found)

    def readinto(self, buffer: bytearray) -> int:
        """Reads as `read` does, into a buffer."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _block(self, index: int) -> bytes:
        block = self._blocks.pop(index, None)
        if block is None:
            block = self._storage.read_range(self._uri, index * BLOCK_BYTES, BLOCK_BYTES)
        self._blocks[index] = block
        if len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return block
