"""Rows: what is known of an image and where its example is, in a fixed number of bytes.

Rows are in files, which begin with examples, if they have any:

    examples | rows | summary, as JSON | footer: where rows and summary begin, and checksums

There are three kinds: parts (parts.py), what a run takes over from earlier ones (taking_over.py),
and the index of a shard of a finished artifact (shards.py).
"""

import itertools
import json
import os
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from tfx.dsl.io import fileio

from components.image_example_gen.shuffle.files import complete_file, open_to_read

LOOK_BYTES = 18
_ROW = struct.Struct(f">32sQB16sHIQI{LOOK_BYTES}sI")
ROW_TYPE = np.dtype(
    [
        ("sha256", ">u8", 4),
        ("order", ">u8"),
        ("use", "u1"),
        ("key", np.uint64, 2),
        ("outcome", ">u2"),
        ("file", ">u4"),
        ("offset", ">u8"),
        ("size", ">u4"),
        ("look", "u1", LOOK_BYTES),
        ("span", ">u4"),
    ]
)
_FOOTER = struct.Struct(">QQII4s")
_VERSION = b"row2"  # of the format; the rows of others are not read
_CHUNK = 2**20
_GZIP = 31  # zlib's number for a gzip file
_GZIP_HEADER, _BLOCK_HEADER = 10, 5  # bytes
_STORED, _LAST_STORED = 0, 1  # first bytes of blocks
_HASHES = 2**64  # what the shards divide
NO_HASH = bytes(32)  # of a rejected file
NO_LOOK = bytes(LOOK_BYTES)  # of an image that is compared with no other


class DamagedRowsError(ValueError):
    """The file is not complete: the power failed while it was written, or it was changed."""


class Row(NamedTuple):
    """An image. Rows are sorted by the first attributes.

    Attributes:
        sha256: hash of the pixels; NO_HASH of a rejected file.
        order: position of the file among all files of its source, sorted by path.
        use: position of the split, or of the name of the count, among those of the run.
        key: identity of the file and of all that determines its example (earlier.py).
        outcome: position in `Rows.outcomes`.
        file: what has the example: 0 for the file of the row, or else a number, from 1.
        offset: of the example in that file, after decompression, in bytes.
        size: in bytes; 0 if there is no example.
        look: the perceptual hash of the pixels, or NO_LOOK (near_duplicates/look.py).
        span: number of the span of the file.
    """

    sha256: bytes
    order: int
    use: int
    key: bytes
    outcome: int
    file: int
    offset: int
    size: int
    look: bytes = NO_LOOK
    span: int = 0


class Outcome(NamedTuple):
    """What decoding a file gave, beside the example.

    Attributes:
        reason: why it was rejected; empty for an accepted image.
        notes: what is unusual about the image.
    """

    reason: str = ""
    notes: tuple[str, ...] = ()


def read_outcomes(plain: Iterable[Sequence[Any]]) -> list[Outcome]:
    """Outcomes, from what JSON made of them."""
    return [Outcome(reason, tuple(notes)) for reason, notes in plain]


@dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Attributes:
        packed: from `pack`.
        outcomes: of images.
        files: paths of the files with examples, relative to the artifact, by their number less 1;
            empty in a part, and in what is taken over, whose numbers only its run knows.
    """

    packed: bytes
    outcomes: Sequence[Outcome]
    files: Sequence[str] = ()


def pack(rows: Iterable[Row]) -> bytes:
    """The rows as bytes."""
    return b"".join(_ROW.pack(*row) for row in rows)


def unpack(rows: bytes) -> Iterator[Row]:
    """The rows in bytes from `pack`."""
    return map(Row._make, _ROW.iter_unpack(rows))


def sort_rows(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Joins tables of rows, each ROW_TYPE [n], at least one, and sorts all rows."""
    # Numbers have their highest byte first, so that the bytes are in the order of the attributes.
    as_bytes = f"V{_ROW.size}"
    return np.sort(np.concatenate([table.view(as_bytes) for table in tables])).view(ROW_TYPE)


def divide(rows: np.ndarray, edges: Sequence[int], shards: int) -> list[np.ndarray]:
    """Divides a table of rows, sorted by hash, where some shards begin; as `bounds`."""
    places = bounds(rows["sha256"][:, 0], edges, shards)
    return [rows[a:b] for a, b in itertools.pairwise(places)]


def bounds(begins: np.ndarray, edges: Sequence[int], shards: int) -> list[int]:
    """Returns where shards begin.

    A shard is a range of hashes. So what is together in a shard is together in the shards of a run
    with more images.

    Args:
        begins: the first 64 bits of hashes, sorted.
        edges: numbers of shards, ascending; after the last one comes their number, as the end.
        shards: number of all.

    Returns:
        For each edge, the place of the first hash.
    """
    # Rounded up. The last shard of all ends at no 64-bit number.
    starts = [-(-edge * _HASHES // shards) for edge in edges if edge < shards]
    places = np.searchsorted(begins, np.array(starts, np.uint64)).tolist()
    return [*places, *[len(begins)] * (len(edges) - len(starts))]


def write_rows(path: str, partial: str, rows: Rows, examples: Collection[bytes] = ()) -> None:
    """Writes a file of rows, atomically; `partial` as in `complete_file`."""
    summary = json.dumps([rows.outcomes, rows.files]).encode()
    start, checksum = 0, 0
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "wb") as file:
        for example in examples:
            file.write(example)
            checksum = zlib.crc32(example, checksum)
            start += len(example)
        file.write(rows.packed)
        file.write(summary)
        end = start + len(rows.packed)
        file.write(_FOOTER.pack(start, end, checksum, zlib.crc32(rows.packed + summary), _VERSION))


def read_rows(path: str) -> Rows:
    """Reads the rows of a file, and not its examples.

    Raises:
        DamagedRowsError: the file is damaged.
        OSError, tf.errors.OpError: it cannot be read.
    """
    with open_to_read(path) as file:
        start, end, _, checksum = _read_footer(file)
        file.seek(start)
        content = file.read()[: -_FOOTER.size]
    if zlib.crc32(content) != checksum:
        raise DamagedRowsError(path)
    outcomes, files = json.loads(content[end - start :])
    return Rows(content[: end - start], read_outcomes(outcomes), files)


def check_examples(path: str) -> None:
    """Reads a file of rows, or a gzip file, to its end.

    Raises:
        DamagedRowsError: the examples are damaged.
        OSError, tf.errors.OpError: it cannot be read.
    """
    with open_to_read(path) as file:
        if is_gzip(path):
            _check_gzip(file, path)
            return
        left, _, expected, _ = _read_footer(file)
        file.seek(0)
        checksum = 0
        while left and (chunk := file.read(min(left, _CHUNK))):
            checksum = zlib.crc32(chunk, checksum)
            left -= len(chunk)
    if left or checksum != expected:
        raise DamagedRowsError(path)


def is_gzip(path: str) -> bool:
    """Whether the file with examples is a shard."""
    return path.endswith(".gz")


def gunzip(content: bytes) -> bytes:
    """Decompresses a shard that `check_examples` has found complete.

    Shards are stored, not compressed (RFC 1951, 3.2.4); to join their blocks takes a fifth of the
    time that zlib takes.
    """
    view, blocks, place = memoryview(content), [], _GZIP_HEADER
    while (kind := content[place]) in (_STORED, _LAST_STORED):
        begin = place + _BLOCK_HEADER
        place = begin + int.from_bytes(view[place + 1 : place + 3], "little")
        blocks.append(view[begin:place])
        if kind == _LAST_STORED:
            return b"".join(blocks)
    return zlib.decompress(content, _GZIP)


def _check_gzip(file: Any, path: str) -> None:
    gzip = zlib.decompressobj(_GZIP)
    try:
        while not gzip.eof and (chunk := file.read(_CHUNK)):
            gzip.decompress(chunk)
    except zlib.error:
        raise DamagedRowsError(path) from None
    if not gzip.eof:
        raise DamagedRowsError(path)


def _read_footer(file: Any) -> tuple[int, int, int, int]:
    size = file.seek(0, os.SEEK_END) or file.tell()
    if size < _FOOTER.size:
        raise DamagedRowsError("too short")
    file.seek(size - _FOOTER.size)
    start, end, *checksums, version = _FOOTER.unpack(file.read())
    if version != _VERSION or not start <= end <= size - _FOOTER.size:
        raise DamagedRowsError("wrong footer")
    return start, end, *checksums
