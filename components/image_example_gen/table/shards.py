"""Writes the shards of the splits, in the order of hashes, and the index for later runs."""

import functools
import gzip
import io
import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.example import with_group
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT, LEFT_OUT
from components.image_example_gen.table.files import (
    INDEX,
    SCHEMA,
    UNUSED,
    complete_file,
    open_to_read,
)
from components.image_example_gen.table.images import Images

# A shard is sorted in memory; these limit its images and its bytes of pixels, approximately.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20
# Around a record in a TFRecord file: its length and checksums.
BEFORE_RECORD, AFTER_RECORD = 12, 4
WRITERS = 2  # threads
SHARDS_AT_A_TIME = 8  # of a thread
OLD_SHARDS = 6  # in memory: two of each split, since old and new shards overlap


def images_per_shard(options: ImageOptions) -> int:
    """Returns how many images of a resolution a shard has at most, on average."""
    return min(IMAGES_PER_SHARD, BYTES_PER_SHARD // math.prod(options.shape))


class ShardWriter:
    """Writes shards, each of them to one file per split, and one of images that are in none.

    Args:
        images: of the run.
        count: number of shards.
        split_folders: folders of the examples, by split.
        output: folder of the artifact.
        partial: as in `complete_file`.
    """

    def __init__(
        self,
        images: Images,
        count: int,
        split_folders: Mapping[str, str],
        output: str,
        partial: str,
    ) -> None:
        self._images = images
        self._shards = images.shards(count)
        self._folders = [([split], folder) for split, folder in split_folders.items()]
        # A later run may put these in a split.
        self._folders.append(([LEFT_OUT, IN_HOLDOUT], os.path.join(output, UNUSED)))
        self._output = output
        self._partial = partial

    def write(self, rejected: pa.Table) -> None:
        """Writes all shards, and then the index, which also has the rows of rejected files."""
        runs = [
            range(first, min(first + SHARDS_AT_A_TIME, len(self._shards)))
            for first in range(0, len(self._shards), SHARDS_AT_A_TIME)
        ]
        index = io.BytesIO()
        with (
            pq.ParquetWriter(index, SCHEMA, write_page_checksum=True) as writer,
            ThreadPoolExecutor(WRITERS) as threads,
        ):
            for tables in threads.map(self._write_some, runs):
                for table in tables:
                    writer.write_table(table)
            writer.write_table(_to_index(rejected, {"file": [None] * len(rejected)}))
        path = os.path.join(self._output, INDEX)
        with (
            complete_file(path, self._partial) as unfinished,
            fileio.open(unfinished, "wb") as file,
        ):
            file.write(index.getvalue())

    def _write_some(self, shards: Iterable[int]) -> list[pa.Table]:
        """Writes shards one after the other; returns their rows of the index."""
        reader = ExampleReader()
        return [self._write_shard(shard, reader) for shard in shards]

    def _write_shard(self, shard: int, reader: "ExampleReader") -> pa.Table:
        """Writes the files of a shard; returns its rows of the index."""
        places = self._shards[shard]
        rows = self._images.rows.slice(places.start, len(places))
        uses = self._images.uses[places.start : places.stop]
        leaders = self._leaders(places)
        before = rows["leader"].is_valid().to_pylist()
        files = [None] * len(rows)
        offsets, sizes = np.zeros((2, len(rows)), np.int64)
        for of_folder, folder in self._folders:
            chosen = np.flatnonzero(
                np.isin(uses, [self._images.splits.index(each) for each in of_folder])
            )
            if not len(chosen) and LEFT_OUT in of_folder:
                continue  # only splits need a file for each shard
            records = reader.read(rows.take(pa.array(chosen)))
            for number, place in enumerate(chosen.tolist()):
                # An example from an earlier run may name another leader.
                if leaders[place] or before[place]:
                    own = rows["group"][place].as_py() or rows["sha256"][place].as_py().hex()
                    group = leaders[place].hex() if leaders[place] else own
                    records[number] = with_group(records[number], group)
            path = os.path.join(folder, f"data_tfrecord-{shard:05}-of-{len(self._shards):05}.gz")
            write_records(path, records, self._partial)
            for place in chosen:
                files[place] = os.path.relpath(path, self._output)
            sizes[chosen] = [len(record) for record in records]
            ends = np.cumsum(BEFORE_RECORD + sizes[chosen] + AFTER_RECORD)
            offsets[chosen] = ends - AFTER_RECORD - sizes[chosen]
        columns = {"leader": leaders, "file": files, "offset": offsets, "size": sizes}
        return _to_index(rows, columns)

    def _leaders(self, places: range) -> list[bytes | None]:
        """The hash of the leader of each image; None of one that follows no other."""
        numbers = self._images.leader[places.start : places.stop].tolist()
        groups = self._images.leaders
        return [groups[number].tobytes() if number >= 0 else None for number in numbers]


def _to_index(rows: pa.Table, columns: Mapping[str, Sequence]) -> pa.Table:
    """Rows with other values in some columns, in SCHEMA."""
    for name, values in columns.items():
        column = pa.array(values, SCHEMA.field(name).type)
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows.select(SCHEMA.names).cast(SCHEMA)


class ExampleReader:
    """Reads the examples of rows; keeps the last shards that it has read."""

    def __init__(self) -> None:
        self._shard = functools.lru_cache(OLD_SHARDS)(_gunzip)

    def read(self, rows: pa.Table) -> list[bytes]:
        """Returns the example of each row, all of which have one."""
        found = [b""] * len(rows)
        columns = [rows[name].to_pylist() for name in ("file", "offset", "size")]
        places = sorted(zip(*columns, range(len(rows)), strict=True))
        for path, in_file in itertools.groupby(places, itemgetter(0)):
            if path.endswith(".gz"):
                content = self._shard(path)
                for _, offset, size, place in in_file:
                    found[place] = content[offset : offset + size]
                continue
            with open_to_read(path) as file:
                for _, offset, size, place in in_file:
                    file.seek(offset)
                    found[place] = file.read(size)
        return found


def _gunzip(path: str) -> bytes:
    with open_to_read(path) as file:
        return gzip.decompress(file.read())


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file atomically; `partial` as in `complete_file`."""
    # TFX's readers expect gzip, but PNG does not compress further; level 0 only stores it.
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with complete_file(path, partial) as file, tf.io.TFRecordWriter(file, options) as writer:
        for record in records:
            writer.write(record)
