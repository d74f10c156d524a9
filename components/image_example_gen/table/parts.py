"""Decodes files in parts. A part is a file of examples, and the table that says where each one is.

A Beam runner may keep in memory what passes through it. It gets only the places of parts, which are
below the artifact, where all workers reach them. A part is complete once its table is there.
"""

import functools
import itertools
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from tfx.dsl.io import fileio

from components.image_example_gen import reasons
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.example import captured_group, pixel_hash, to_example
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.image_decode import DECODE_THREADS, decode
from components.image_example_gen.near_duplicates import look_of
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.source_decode import decode_source, notes_on
from components.image_example_gen.spans import ImageSource
from components.image_example_gen.table.files import (
    EXAMPLES,
    SCHEMA,
    TABLE,
    complete_file,
    open_to_read,
    write_table,
)
from components.progress import DECODED, counted
from trainer import examples

FILES_PER_BATCH = 64
LIST = ".json"  # ending of the list of the files of a part
_VALUES = attrgetter(*(field.name for field in fields(ImageFile)))
Member = tuple[bytes, ImageFile]  # the key of a file, and the file
Readers = tuple[ImageReader, ImageReader]  # of images, and of their sources


class Part(NamedTuple):
    """Files to decode together.

    Attributes:
        source: number of their source.
        place: path of the list of the files, of the examples and of their table, without endings.
    """

    source: int
    place: str


def list_parts(
    source: int, files: Iterator[ImageFile], keys: pa.Array, size: int, partial: str
) -> list[Part]:
    """Divides files into parts, and writes the list of each, so that Beam need not carry them.

    Args:
        source: number of their source.
        files: to decode, those of an archive in its order.
        keys: of these files.
        size: files per part.
        partial: folder for the parts.
    """
    parts = []
    for first in range(0, len(keys), size):
        part = Part(source, os.path.join(partial, f"{source}-{len(parts):06}"))
        some = itertools.islice(files, size)
        hexadecimal = [key.hex() for key in keys.slice(first, size).to_pylist()]
        members = [*zip(hexadecimal, map(_to_values, some), strict=True)]
        with fileio.open(part.place + LIST, "wb") as file:
            file.write(json.dumps(members).encode())  # faster than json.dump
        parts.append(part)
    return parts


class DecodeParts(beam.DoFn):
    """Decodes parts, and writes their examples and tables.

    Args:
        sources: what the parts are of.
        options: how each image is converted.
        partial: folder of the parts.
    """

    def __init__(self, sources: Sequence[ImageSource], options: ImageOptions, partial: str) -> None:
        super().__init__()
        self._sources = sources
        self._options = options
        self._partial = partial

    def setup(self) -> None:
        """Starts the threads, which cannot be pickled."""
        self._threads = ThreadPoolExecutor(DECODE_THREADS)

    def teardown(self) -> None:
        """Stops the threads."""
        self._threads.shutdown()

    def process(self, part: Part) -> None:
        """Decodes the files of a part."""
        source = self._sources[part.source]
        with open_to_read(part.place + LIST) as file:
            members = [(bytes.fromhex(key), _to_file(values)) for key, values in json.load(file)]
        rows = []
        with ImageReader(source.folder) as reader, ImageReader(source.sources) as source_reader:
            readers = reader, source_reader

            def decode_files(share: Sequence[Member]) -> list[tuple[dict[str, Any], bytes]]:
                return [self._decode(member, source, readers) for member in share]

            for first in range(0, len(members), FILES_PER_BATCH):
                batch = members[first : first + FILES_PER_BATCH]
                # Small images take less time than to hand each of them to a thread.
                shares = [batch[start::DECODE_THREADS] for start in range(DECODE_THREADS)]
                with counted(DECODED, len(batch)):
                    for share in self._threads.map(decode_files, shares):
                        rows += share
        # A shard reads what is together in it.
        rows.sort(key=lambda row: (row[0].get("sha256", b""), row[0]["key"]))
        checksum = functools.reduce(lambda checksum, row: zlib.crc32(row[1], checksum), rows, 0)
        path = f"{part.place}-{checksum:08x}{EXAMPLES}"
        name = os.path.basename(path)
        offset = 0
        with (
            complete_file(path, self._partial) as unfinished,
            fileio.open(unfinished, "wb") as file,
        ):
            for row, example in rows:
                file.write(example)
                if example:  # there is none of a rejected file
                    row |= {"file": name, "offset": offset, "size": len(example)}
                offset += len(example)
        table = pa.Table.from_pylist([row for row, _ in rows], SCHEMA)
        write_table(part.place + TABLE, self._partial, table)

    def _decode(
        self, member: Member, source: ImageSource, readers: Readers
    ) -> tuple[dict[str, Any], bytes]:
        """Decodes a file, with its key, to its row and its example."""
        key, file = member
        row = {"key": key, "span": file.span}
        reader, source_reader = readers
        before = None
        try:
            if file.problem:
                raise RejectedImage(file.problem)
            with reader.open(file) as stream:
                image = decode(stream, self._options)
                if not file.size:
                    file = replace(file, size=stream.seek(0, os.SEEK_END))
            if file.source:
                before = decode_source(file.source, source_reader, image, self._options)
        except RejectedImage as reason:
            return {**row, "reason": str(reason), "path": file.path}, b""
        except OSError as error:
            return {**row, "reason": reasons.unreadable(error), "path": file.path}, b""
        sha256 = pixel_hash(image.pixels)
        captured = captured_group(file.path_in_span, self._options)
        row["sha256"] = bytes.fromhex(sha256)
        row["group"] = captured
        row["notes"] = "\n".join(notes_on(image, before)) or None
        if self._options.near_duplicates != "off" and (
            source.split == examples.HOLDOUT or not (source.split or captured)
        ):  # nothing else decides its split
            row["look"] = look_of(image.pixels)
        return row, to_example(file, image, sha256, captured or sha256, before)


def _to_values(file: ImageFile) -> list:
    *values, source = _VALUES(file)
    return [*values, source and _to_values(source)]


def _to_file(values: Sequence) -> ImageFile:
    *plain, source = values
    return ImageFile(*plain, source and _to_file(source))
