"""Finds what earlier runs have decoded: in finished artifacts, and in what killed runs have left.

An example is used again if its key is the same: a hash of the file (path, size, modification
time, and its place in an archive), the options and the code. Damaged files are found by their
checksums. What is damaged, or has vanished, is decoded again.
"""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import PIL
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.files import ImageFile
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shuffle.files import (
    INDEX,
    INDEX_SUFFIX,
    PART_SUFFIX,
    PARTIAL,
)
from components.image_example_gen.shuffle.rows import (
    ROW_TYPE,
    DamagedRowsError,
    Outcome,
    Rows,
    check_examples,
    is_gzip,
    read_rows,
)

THREADS = 8  # that wait for files
# These decide which examples are used, not what is in them.
_SELECTING = {"max_rejected", "eval_percent"}
_UNREADABLE = (OSError, tf.errors.OpError, DamagedRowsError)


def file_keys(
    files: Iterable[ImageFile], folders: tuple[str, str], options: ImageOptions, code: str
) -> np.ndarray:
    """Returns the keys of files: of all that determines their examples.

    Args:
        files: of one source.
        folders: of the images, and of their sources.
        options: how each image is converted.
        code: hash of the code.

    Returns:
        uint64 [files, 2].
    """
    common = [code, PIL.__version__, *folders, options.model_dump(exclude=_SELECTING)]
    begin = hashlib.blake2b(json.dumps(common).encode(), digest_size=16)
    keys = bytearray()
    for file in files:
        digest = begin.copy()
        about = f"{file.problem}\0{file.span}\0{file.span_folder}\0{file.state}"
        digest.update(about.encode())
        keys += digest.digest()
    return np.frombuffer(keys, np.uint64).reshape(-1, 2)


@dataclass(frozen=True)
class Known:
    """What earlier runs know of files.

    Attributes:
        found: bool [files], which ones are known.
        rows: ROW_TYPE [files]; their numbers refer to the following attributes.
        outcomes: of images.
        files: names of the files with examples, in the folder for links, by number.
    """

    found: np.ndarray
    rows: np.ndarray
    outcomes: Sequence[Outcome]
    files: Mapping[int, str]


def find_known(keys: np.ndarray, artifacts: Iterable[str], partial: str) -> Known:
    """Finds what earlier runs know of files, and secures it.

    The newest finished artifact that knows any of them is the last one that is read: it has what
    was taken over from those before it.

    The files with examples are linked, or copied, because the other artifact may be removed while
    this run works. They are read once to find damage.

    Args:
        keys: uint64 [files, 2].
        artifacts: folders, which may vanish, the newest first.
        partial: folder for the links.
    """
    search = _Search(keys)
    with ThreadPoolExecutor(THREADS) as threads:
        for artifact in artifacts:
            paths = _files_with_rows(artifact)
            before = search.count
            for path, rows in zip(paths, threads.map(_try_to_read, paths), strict=True):
                if rows:
                    search.add(rows, path, artifact)
            if search.count > before and not fileio.exists(os.path.join(artifact, PARTIAL)):
                break
    return search.secure(partial)


class _Search:
    """Collects what is known of files, row by row."""

    def __init__(self, keys: np.ndarray) -> None:
        self._keys = keys
        self._order = np.argsort(keys[:, 0])
        self._sorted = keys[self._order, 0]
        self._rows = np.zeros(len(keys), ROW_TYPE)
        self._found = np.zeros(len(keys), bool)
        self._outcomes: dict[Outcome, int] = {}
        self._paths: dict[str, int] = {}

    @property
    def count(self) -> int:
        """The number of files that are known."""
        return int(self._found.sum())

    def add(self, rows: Rows, path: str, artifact: str) -> None:
        """Adds the rows of a file of an artifact, where nothing better is known."""
        table = np.frombuffer(rows.packed, ROW_TYPE)
        places = np.searchsorted(self._sorted, table["key"][:, 0])
        places = self._order[np.minimum(places, len(self._order) - 1)]
        better = ~self._found[places] | (table["size"] > self._rows["size"][places])
        better &= (self._keys[places] == table["key"]).all(axis=1)
        if not better.any():
            return
        table, places = table[better], places[better]
        outcomes = [self._outcomes.setdefault(each, len(self._outcomes)) for each in rows.outcomes]
        paths = [path, *(os.path.join(artifact, name) for name in rows.files)]
        numbers = [self._paths.setdefault(each, len(self._paths)) for each in paths]
        table["outcome"] = np.array(outcomes)[table["outcome"]]
        table["file"] = np.array(numbers)[table["file"]] + 1
        self._rows[places] = table
        self._found[places] = True

    def secure(self, partial: str) -> Known:
        """Secures the files with examples in the folder, and forgets those that it cannot."""
        has_example = self._found & (self._rows["size"] > 0)
        used = np.unique(self._rows["file"][has_example]).tolist()
        paths = list(self._paths)
        with ThreadPoolExecutor(THREADS) as threads:
            names = threads.map(lambda number: _secure(paths[number - 1], partial), used)
            files = {number: name for number, name in zip(used, names, strict=True) if name}
        lost = [number for number in used if number not in files]
        self._found &= ~(has_example & np.isin(self._rows["file"], lost))
        return Known(self._found, self._rows, list(self._outcomes), files)


def _try_to_read(path: str) -> Rows | None:
    try:
        return read_rows(path)
    except _UNREADABLE:
        return None


def _files_with_rows(artifact: str) -> list[str]:
    found = []
    for folder, ending in ((INDEX, INDEX_SUFFIX), (PARTIAL, PART_SUFFIX)):
        path = os.path.join(artifact, folder)
        try:
            names = fileio.listdir(path)
        except _UNREADABLE:
            continue  # in a bucket, a folder without objects does not exist
        found += [os.path.join(path, name) for name in sorted(names) if name.endswith(ending)]
    return found


def _secure(path: str, partial: str) -> str:
    """Links or copies a file, and reads it to its end; returns its name, or nothing if it fails."""
    name = f"{uuid.uuid4().hex}.{'gz' if is_gzip(path) else 'taken'}"
    target = os.path.join(partial, name)
    try:
        _link(path, target)
        check_examples(target)
    except _UNREADABLE:
        return ""
    return name


def _link(path: str, target: str) -> None:
    if "://" not in path:
        # Another file system, or one that has no links.
        with contextlib.suppress(OSError):
            os.link(path, target)
            return
    fileio.copy(path, target)
