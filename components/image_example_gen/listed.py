"""What is in a folder, once it is listed: millions of files in columns instead of objects."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa

from components.image_example_gen.files import ImageFile

# Arrow's own allocator keeps what was freed: of a million images, 150 MB.
pa.set_memory_pool(pa.system_memory_pool())

_TYPES = {
    "path": pa.large_string(),
    "size": pa.int64(),
    "mtime_ns": pa.int64(),
    "problem": pa.large_string(),
    "span": pa.int64(),
    "span_folder": pa.large_string(),
    "entry": pa.int64(),
    "offset": pa.int64(),
    "label": pa.large_string(),
    "archive_size": pa.int64(),
}  # in the order of the fields of ImageFile, but for its source
_SCHEMA = pa.schema(_TYPES)
_VALUES = attrgetter(*_TYPES)
_ROWS = 4096  # that are objects at a time


class Files(Sequence[ImageFile]):
    """Image files in the order of their paths, in some 60 bytes each; an object takes 250.

    Args:
        files: in any order, without sources. Of those with one path, which has been escaped, the
            one without a problem comes first.
    """

    def __init__(self, files: Iterable[ImageFile]) -> None:
        files = iter(files)
        tables = [_SCHEMA.empty_table()]
        while some := list(itertools.islice(files, _ROWS)):
            columns = zip(*map(_VALUES, some), strict=True)
            tables.append(pa.table(dict(zip(_TYPES, columns, strict=True)), _SCHEMA))
        table = pa.concat_tables(tables).combine_chunks()
        self._table = table.sort_by([("path", "ascending"), ("problem", "ascending")])
        self._equal: dict[str, Any] = {}  # values of columns that are the same in all rows
        for name in _SCHEMA.names:
            values = self._table[name].unique() if len(table) and name != "path" else ()
            if len(values) == 1:
                self._equal[name] = values[0].as_py()
                self._table = self._table.drop_columns(name)
        pa.default_memory_pool().release_unused()  # what was not in this order

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[ImageFile]:
        for rows in self._table.to_batches(_ROWS):
            yield from self._to_files(rows)

    def __getitem__(self, place: int | slice) -> ImageFile | list[ImageFile]:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [*self.take(np.array(places))]
        return next(self.take(np.array([places])))

    def take(self, places: np.ndarray) -> Iterator[ImageFile]:
        """Yields the files at places, int64 [N]."""
        for first in range(0, len(places), _ROWS):
            yield from self._to_files(self._table.take(pa.array(places[first : first + _ROWS])))

    def _to_files(self, rows: pa.Table | pa.RecordBatch) -> Iterator[ImageFile]:
        columns = (
            itertools.repeat(self._equal[name]) if name in self._equal else _to_list(rows[name])
            for name in _TYPES
        )
        return map(ImageFile, *columns)


def _to_list(column: pa.Array | pa.ChunkedArray) -> list:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.to_numpy(zero_copy_only=False).tolist()  # faster than `to_pylist`


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        images: the image files, sorted by path.
        others: counts of the visible files that are not images, by the ending in lower case
            (.heic, .tar.gz); NO_ENDING for names without one, or with one that is not up to 8
            ASCII letters and digits; LINK for links to folders.
    """

    images: Sequence[ImageFile]
    others: Counter[str]


def take(files: Sequence[ImageFile], places: np.ndarray) -> Iterator[ImageFile]:
    """Yields the files at places, int64 [N]."""
    return files.take(places) if isinstance(files, Files) else (files[place] for place in places)
