"""Finds what earlier runs have decoded: in finished artifacts, and in what killed runs have left.

An example is used again if its key is the same: a hash of the file (path, size, modification
time, and its place in an archive), the options and the code. What is damaged, or has vanished, is
decoded again.
"""

import contextlib
import functools
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tfx.dsl.io import filesystem

from components.image_example_gen.files import ImageFile
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import UNREADABLE
from components.image_example_gen.table.files import (
    EXAMPLES,
    INDEX,
    PARTIAL,
    SCHEMA,
    add_places,
    open_to_read,
    read_parts,
    read_table,
)

THREADS = 4  # that check shards
_BLOCK = 2**20  # bytes that are checked at a time
# These decide which examples are used, not what is in them.
_SELECTING = {"max_rejected", "eval_percent"}
# Missing or damaged. A storage that fails ends the run: groups of near-duplicates would be lost.
_UNUSABLE = (
    FileNotFoundError,
    NotADirectoryError,
    filesystem.NotFoundError,  # of a folder
    tf.errors.NotFoundError,
    tf.errors.FailedPreconditionError,  # a part of its path is no folder
    ValueError,
)
_DAMAGED = (OSError, tf.errors.OpError, EOFError, zlib.error)


def file_keys(
    files: Iterable[ImageFile], folders: tuple[str, str], options: ImageOptions, code: str
) -> pa.Array:
    """Returns the keys of files: of all that determines their examples.

    Args:
        files: of one source.
        folders: of the images, and of their sources.
        options: how each image is converted.
        code: hash of the code.
    """
    common = [code, PIL.__version__, *folders, options.model_dump(exclude=_SELECTING)]
    begin = hashlib.blake2b(json.dumps(common).encode(), digest_size=16)
    keys = bytearray()
    for file in files:
        digest = begin.copy()
        about = f"{file.problem}\0{file.span}\0{file.span_folder}\0{file.state}"
        digest.update(about.encode())
        keys += digest.digest()
    return pa.Array.from_buffers(pa.binary(16), len(keys) // 16, [None, pa.py_buffer(keys)])


def find_known(keys: pa.Array, artifacts: Iterable[str]) -> tuple[pa.Table, np.ndarray]:
    """Finds the rows of files that earlier runs know, whose examples can be read.

    The newest finished artifact that knows any of them is the last one that is read: it has what
    was taken over from those before it.

    Args:
        keys: of all files.
        artifacts: folders, the newest first.

    Returns:
        SCHEMA with `place` as of `add_places`, each file at most once, also null in other rows;
        and the files that are not in it, bool [n].
    """
    known = [add_places(SCHEMA.empty_table(), keys)]
    is_new = np.ones(len(keys), bool)
    for artifact in artifacts:
        table, is_finished = _read_artifact(artifact)
        table = add_places(table, keys)
        is_usable = _is_usable(table, is_new)
        places = pc.if_else(is_usable, table["place"], None)
        # A filter would copy the table.
        known.append(table.set_column(table.num_columns - 1, "place", places))
        is_new[places.drop_null().to_numpy()] = False
        if not is_new.any() or (is_finished and pc.any(is_usable).as_py()):
            break
    return pa.concat_tables(known).unify_dictionaries(), is_new


def read_groups(artifacts: Iterable[str]) -> pa.Table:
    """Reads in which groups of near-duplicates the newest finished artifact has put images.

    Returns:
        `sha256` of all images that it has compared, and `leader`.
    """
    columns = ["sha256", "look", "leader"]
    found = SCHEMA.empty_table().select(columns)
    for artifact in artifacts:
        with contextlib.suppress(*_UNUSABLE):
            found = read_table(os.path.join(artifact, INDEX), columns)
            break
    return found.filter(found["look"].is_valid()).drop("look")


def count_copies(images: str, sources: str) -> int:
    """Returns the number of sources whose pixels an image has.

    Args:
        images: folder to which `write_examples` has written the report on images.
        sources: the same for sources.
    """
    ours, theirs = (
        read_table(os.path.join(folder, INDEX), ["sha256"])["sha256"].drop_null()
        for folder in (images, sources)
    )
    return pc.sum(pc.is_in(theirs, value_set=ours)).as_py() or 0


def _read_artifact(artifact: str) -> tuple[pa.Table, bool]:
    """Reads what an artifact knows, and whether its run has finished.

    Where it was killed, these are the parts that it has left.
    """
    with contextlib.suppress(*_UNUSABLE):
        return read_table(os.path.join(artifact, INDEX)), True
    with contextlib.suppress(*_UNUSABLE):
        return read_parts(os.path.join(artifact, PARTIAL)), False
    return SCHEMA.empty_table(), False


def _is_usable(table: pa.Table, is_new: np.ndarray) -> pa.ChunkedArray:
    """Which rows are of a new file, and have an example that can be read."""
    is_needed = pc.take(pa.array(is_new), table["place"]).fill_null(False)
    files = table["file"].combine_chunks()
    lost = _damaged(files.filter(is_needed))
    is_lost = pc.is_in(files.dictionary, value_set=lost).take(files.indices).fill_null(False)
    # What could not be read is tried again.
    is_unread = pc.match_substring(table["reason"], UNREADABLE).fill_null(False)
    return pc.and_not(is_needed, pc.or_(is_lost, is_unread))


def _damaged(files: pa.DictionaryArray) -> pa.Array:
    """The files with examples that cannot be read, each of which is read once."""
    paths = files.unique().drop_null().to_pylist()
    with ThreadPoolExecutor(THREADS) as threads:
        whole = threads.map(_is_whole, paths)
    bad = [path for path, is_whole in zip(paths, whole, strict=True) if not is_whole]
    return pa.array(bad, pa.string())


def _is_whole(path: str) -> bool:
    """Whether a file with examples is there and, by its checksum, not damaged."""
    with contextlib.suppress(*_DAMAGED), open_to_read(path) as file:
        if path.endswith(".gz"):
            return sum(map(len, _blocks(gzip.GzipFile(fileobj=file)))) > 0
        checksum = 0
        for block in _blocks(file):
            checksum = zlib.crc32(block, checksum)
        return path.endswith(f"-{checksum:08x}{EXAMPLES}")
    return False


def _blocks(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    return iter(functools.partial(file.read, _BLOCK), b"")
