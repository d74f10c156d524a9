"""What every storage does, whichever URIs it is for."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Stat(NamedTuple):
    """Size in bytes, and time of the last modification in nanoseconds since 1970."""

    size: int
    mtime_ns: int


class Storage(Protocol):
    """Folders and files of one kind of URI. A folder is what has files below it.

    All methods raise a StorageError if the storage does not answer or refuses the credentials, and
    an OSError, whose `strerror` is the reason, for a single file that cannot be read.
    """

    def is_folder(self, uri: str) -> bool:
        """Whether the URI is a folder."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether the URI is a file."""
        ...

    def list_folders(self, uri: str) -> list[str]:
        """Lists the names of the folders in a folder, in any order."""
        ...

    def walk(self, uri: str) -> Iterator[tuple[str, Stat | None]]:
        """Yields the files at any depth, by their path below the folder; None costs `stat`."""
        ...

    def stat(self, uri: str) -> Stat:
        """Returns size and time of a file."""
        ...

    def read(self, uri: str, max_bytes: int) -> bytes | None:
        """Reads a file; None if it has more bytes."""
        ...

    def read_range(self, uri: str, start: int, size: int) -> bytes:
        """Reads so many bytes of a file from `start`, fewer at its end."""
        ...
