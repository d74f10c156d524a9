"""Parts: images that are decoded together, and the file with their examples.

A Beam runner may keep in memory what it shuffles. It gets only the rows: where the example of an
image is, by its hash. The examples are in the file of the part, below the artifact, which all
workers reach:

    examples | rows | summary, as JSON | footer: where rows and summary begin, and a checksum

A file appears whole, and never changes. Its name begins with the key of the part, which depends on
all that determines its content. The run after a killed one therefore takes over complete files
instead of decoding the images again.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import PIL
from tfx.dsl.io import fileio

from components.image_example_gen.files import ImageFile
from components.image_example_gen.shuffle.files import complete_file

PARTIAL = ".partial"  # folder in an artifact: parts, and what is being written
SUFFIX = ".part"
_ROW = struct.Struct(">32sQBQI")
_FOOTER = struct.Struct(">QQI")


class DamagedPartError(ValueError):
    """The file of a part is not complete: the power failed while it was written."""


class Row(NamedTuple):
    """An example in the file of a part.

    Attributes:
        sha256: hash of the pixels.
        order: position of the file among all files of its source, sorted by path.
        use: position of the split, or of the name of the count, among those of the run.
        offset: in the file, in bytes.
        size: in bytes.
    """

    sha256: bytes
    order: int
    use: int
    offset: int
    size: int


def shard_of(sha256: bytes, shards: int) -> int:
    """The shard of an image, of so many, by the hash of its pixels."""
    return (int.from_bytes(sha256[:8], "big") >> 4) % shards


def pack(rows: Iterable[Row]) -> bytes:
    """The rows as bytes, of which Beam makes no objects."""
    return b"".join(_ROW.pack(*row) for row in rows)


def unpack(rows: bytes) -> Iterator[Row]:
    """The rows in bytes from `pack`."""
    return map(Row._make, _ROW.iter_unpack(rows))


@dataclass(frozen=True)
class Part:
    """Files to decode together.

    Attributes:
        key: depends on all that determines their examples.
        source: number of their source.
        first: position of the first file among all files of the source.
        images: number of files.
        listing: path of the list of the files.
        found: path of a file with the examples, from an earlier run; empty if there is none.
    """

    key: str
    source: int
    first: int
    images: int
    listing: str
    found: str = ""

    def files(self) -> list[ImageFile]:
        """Reads the list of the files."""
        with fileio.open(self.listing) as file:
            return [ImageFile(*fields) for fields in json.load(file)]


@dataclass(frozen=True)
class Decoded:
    """What decoding a part gave, beside the examples.

    Attributes:
        rows: packed.
        counts: (kind, name, number) of what the report counts.
        rejected: (path, reason) of rejected files.
    """

    rows: bytes
    counts: Sequence[tuple[str, str, int]]
    rejected: Sequence[tuple[str, str]]


def list_parts(
    sources: Sequence[Sequence[ImageFile]],
    images: int,
    partial: str,
    about: Sequence[Any],
    found: Mapping[str, str],
) -> list[Part]:
    """Divides files into parts and writes the list of each, so that Beam need not carry them.

    Args:
        sources: the files of each source, sorted by path.
        images: number of files per part.
        partial: folder for the lists.
        about: what determines examples beside the files, for each source; JSON.
        found: what `find_parts` found.
    """
    parts = []
    for source, files in enumerate(sources):
        for first in range(0, len(files), images):
            fields = [
                (f.path, f.size, f.mtime_ns, f.problem, f.span, f.span_folder)
                for f in files[first : first + images]
            ]
            content = json.dumps([first, PIL.__version__, about[source], fields])
            key = hashlib.sha256(content.encode()).hexdigest()[:32]
            listing = os.path.join(partial, f"{len(parts):06}.json")
            with fileio.open(listing, "w") as file:
                json.dump(fields, file)
            parts.append(Part(key, source, first, len(fields), listing, found.get(key, "")))
    return parts


def find_parts(folders: Iterable[str]) -> dict[str, str]:
    """Finds complete parts in folders, which may not exist: key -> path, the last one of each."""
    found = {}
    for folder in folders:
        try:
            names = fileio.listdir(folder)
        except OSError:
            continue
        for name in names:
            key, dash, _ = name.partition("-")
            if dash and name.endswith(SUFFIX):
                found[key] = os.path.join(folder, name)
    return found


def write_part(path: str, partial: str, examples: Collection[bytes], decoded: Decoded) -> None:
    """Writes the file of a part; `decoded.rows` say where each of the examples is."""
    summary = json.dumps([decoded.counts, decoded.rejected]).encode()
    start, checksum = sum(map(len, examples)), 0
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "wb") as file:
        for content in (*examples, decoded.rows, summary):
            checksum = zlib.crc32(content, checksum)
            file.write(content)
        file.write(_FOOTER.pack(start, start + len(decoded.rows), checksum))


def parse_part(content: bytes) -> Decoded:
    """Parses a file from `write_part`.

    Raises:
        DamagedPartError: the file is not complete.
    """
    body, footer = memoryview(content)[: -_FOOTER.size], content[-_FOOTER.size :]
    if len(footer) < _FOOTER.size:
        raise DamagedPartError("too short")
    rows, summary, checksum = _FOOTER.unpack(footer)
    if zlib.crc32(body) != checksum:
        raise DamagedPartError("wrong checksum")
    counts, rejected = json.loads(bytes(body[summary:]))
    return Decoded(bytes(body[rows:summary]), counts, rejected)
