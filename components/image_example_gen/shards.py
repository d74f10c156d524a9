"""Rows to files: shards in each split, sorted, and each there whole or not at all."""

import itertools
import math
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.example import Row
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import DUPLICATES, IN_HOLDOUT, LEFT_OUT
from trainer import examples

# A shard is sorted in memory: at most about this many images, and this many bytes of pixels.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20
# Images that equal one of these splits are not trained on: what that is called. In eval they are
# of another group (group_pattern).
_SPARED = {examples.HOLDOUT: IN_HOLDOUT, examples.EVAL: LEFT_OUT}


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
        data = [row for row in rows if row.split != examples.HOLDOUT]
        yield DUPLICATES, sum(a.sha256 == b.sha256 for a, b in itertools.pairwise(data))
        held_out = {split: {row.sha256 for row in rows if row.split == split} for split in _SPARED}
        records = defaultdict(list)
        for row in rows:
            records[_use(row, held_out)].append(row.example)
        for use, found in records.items():
            yield use, len(found)
        for split, folder in self._split_folders.items():
            name = f"data_tfrecord-{index:05}-of-{self._shards:05}.gz"
            write_records(os.path.join(folder, name), records[split], self._partial)


def _use(row: Row, held_out: Mapping[str, Set[str]]) -> str:
    """The split that a row goes to, or the name of the count of why it goes to none."""
    if row.split == examples.TRAIN:
        for split, reason in _SPARED.items():
            if row.sha256 in held_out[split]:
                return reason
    return row.split


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file, which is at its path either whole or not at all."""
    # TFX's readers expect gzip, but PNG does not get smaller: level 0 stores it as it is.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with complete_file(path, partial) as file, tf.io.TFRecordWriter(file, gzip) as writer:
        for record in records:
            writer.write(record)


@contextmanager
def complete_file(path: str, partial: str) -> Iterator[str]:
    """Yields a file in the folder `partial` that becomes `path` at the end, in a bucket too."""
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    yield unfinished
    fileio.rename(unfinished, path, overwrite=True)
