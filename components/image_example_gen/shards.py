"""Rows to files: shards in each split, sorted, and each there whole or not at all."""

import itertools
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.example import Row
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import DUPLICATES, LEFT_OUT, OMITTED
from trainer import examples

# A shard is sorted in memory: at most about this many images, and this many bytes of pixels.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20


def shard_count(files: int, options: ImageOptions) -> int:
    """The number of shards for so many files."""
    image_bytes = options.resolution**2 * options.channels
    return math.ceil(files / min(IMAGES_PER_SHARD, BYTES_PER_SHARD // image_bytes))


class WriteShard(beam.DoFn):
    """One shard to a file in each split; yields the counts of the report."""

    def __init__(self, split_folders: Mapping[str, str], partial: str, shards: int) -> None:
        super().__init__()
        self._split_folders = split_folders
        self._partial = partial
        self._shards = shards

    def process(self, shard: tuple[int, Iterable[Row]]) -> Iterator[tuple[str, int]]:
        """Sorts and writes a shard."""
        index, rows = shard[0], sorted(shard[1])
        yield DUPLICATES, sum(a.sha256 == b.sha256 for a, b in itertools.pairwise(rows))
        taken = [row for row in rows if row.split != OMITTED]
        yield OMITTED, len(rows) - len(taken)
        # Equal pixels in two groups (group_pattern): what is held out is not trained on.
        held_out = {row.sha256 for row in taken if row.split == examples.EVAL}
        kept = [row for row in taken if row.split == examples.EVAL or row.sha256 not in held_out]
        yield LEFT_OUT, len(taken) - len(kept)
        for split, folder in self._split_folders.items():
            records = [row.example for row in kept if row.split == split]
            name = f"data_tfrecord-{index:05}-of-{self._shards:05}.gz"
            write_records(os.path.join(folder, name), records, self._partial)
            yield split, len(records)


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file, which is at its path either whole or not at all."""
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    # TFX's readers expect gzip, but PNG does not get smaller: level 0 stores it as it is.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with tf.io.TFRecordWriter(unfinished, gzip) as writer:
        for record in records:
            writer.write(record)
    fileio.rename(unfinished, path, overwrite=True)
