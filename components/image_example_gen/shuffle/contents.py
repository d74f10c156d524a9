"""Reads what the files of a run contain: rows, and the examples of rows."""

import itertools
import os
from collections.abc import Callable, Mapping
from operator import itemgetter

import numpy as np

from components.image_example_gen.shuffle.files import open_to_read
from components.image_example_gen.shuffle.rows import ROW_TYPE, Outcome, gunzip, is_gzip, read_rows


class Contents:
    """Reads parts of a run, and what it takes from earlier ones.

    Args:
        partial: folder of the parts.
        files: names of the files in it with examples of earlier runs, by number.
    """

    def __init__(self, partial: str, files: Mapping[int, str]) -> None:
        self._partial = partial
        self._names = dict(files)
        self._next = max(files, default=0) + 1
        self._outcomes: dict[Outcome, int] = {}

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of all rows so far, by the numbers in rows."""
        return list(self._outcomes)

    def rows(self, part: str, choose: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Reads rows of a part.

        Args:
            part: name of its file.
            choose: returns the rows of interest from all, both ROW_TYPE [n].

        Returns:
            Those rows, with numbers of outcomes and of files for the methods of this object.
        """
        read = read_rows(os.path.join(self._partial, part))
        rows = choose(np.frombuffer(read.packed, ROW_TYPE)).copy()
        numbers = [self._outcomes.setdefault(each, len(self._outcomes)) for each in read.outcomes]
        rows["outcome"] = np.array(numbers, int)[rows["outcome"]]
        rows["file"][rows["file"] == 0] = self._next
        self._names[self._next] = part
        self._next += 1
        return rows

    def examples(self, rows: np.ndarray) -> list[bytes]:
        """Reads the example of each row, one file after the other; all rows must have one."""
        found = [b""] * len(rows)
        order = np.lexsort((rows["offset"], rows["file"]))
        columns = (rows[name][order].tolist() for name in ("file", "offset", "size"))
        places = zip(order.tolist(), *columns, strict=True)
        for number, in_file in itertools.groupby(places, itemgetter(1)):
            path = os.path.join(self._partial, self._names[number])
            with open_to_read(path) as file:
                content = gunzip(file.read()) if is_gzip(path) else b""
                for place, _, offset, size in in_file:
                    if content:
                        found[place] = content[offset : offset + size]
                    else:
                        file.seek(offset)
                        found[place] = file.read(size)
        return found
