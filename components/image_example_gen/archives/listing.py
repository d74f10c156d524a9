"""Lists what is in an archive, by its ending. pyarrow is imported for Parquet files only."""

import functools
from collections.abc import Iterator

from components.image_example_gen.archives.entry import PARQUET, Entry
from components.image_example_gen.archives.stream import open_archive, stat_archive
from components.image_example_gen.archives.tar import list_tar
from components.image_example_gen.storage.base import Stat
from components.image_example_gen.storage.remote import is_remote

KEPT = 256  # remote archives


def list_entries(path: str) -> Iterator[Entry]:
    """Yields the entries of an archive, in its order; one without a name is about the archive.

    Only headers and labels are read. Of a remote tar, that is all of it if its images are smaller
    than a block of `archives.stream`, so that this process remembers the entries.

    Args:
        path: local or a URI.

    Raises:
        OSError: it cannot be read; `strerror` is the reason.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    stat = stat_archive(path)
    yield from _remembered(path, stat) if is_remote(path) else _list(path, stat)


@functools.lru_cache(maxsize=KEPT)
def _remembered(path: str, stat: Stat) -> tuple[Entry, ...]:
    return tuple(_list(path, stat))


def _list(path: str, stat: Stat) -> Iterator[Entry]:
    with open_archive(path, stat.size) as stream:
        if path.lower().endswith(PARQUET):
            from components.image_example_gen.archives.parquet import list_parquet

            yield from list_parquet(stream, stat.size)
        else:
            yield from list_tar(stream, stat.size)
