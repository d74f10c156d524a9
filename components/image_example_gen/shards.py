"""Writes rows to sorted shards in each split; each shard appears atomically."""

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

from components.image_example_gen import names
from components.image_example_gen.example import Row
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT, LEFT_OUT
from trainer import examples

# A shard is sorted in memory; these limit its images and its bytes of pixels, approximately.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20
# Images that equal one in these splits are not trained on; their counts have these names. An equal
# image in eval belongs to another group (group_pattern).
_SPARED = {examples.HOLDOUT: IN_HOLDOUT, examples.EVAL: LEFT_OUT}


def shard_count(files: int, options: ImageOptions) -> int:
    """Returns the number of shards for a number of files."""
    image_bytes = options.resolution**2 * options.channels
    return math.ceil(files / min(IMAGES_PER_SHARD, BYTES_PER_SHARD // image_bytes))


class WriteShard(beam.DoFn):
    """Writes a shard to one file per split; yields the counts of the report."""

    def __init__(self, split_folders: Mapping[str, str], partial: str, shards: int) -> None:
        super().__init__()
        self._split_folders = split_folders
        self._partial = partial
        self._shards = shards

    def process(self, shard: tuple[int, Iterable[Row]]) -> Iterator[tuple[str, int]]:
        """Sorts and writes a shard."""
        index, rows = shard[0], sorted(shard[1])
        data = [row for row in rows if row.split != examples.HOLDOUT]
        yield names.DUPLICATES, sum(a.sha256 == b.sha256 for a, b in itertools.pairwise(data))
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
    """Returns the split of a row, or the name of the count of its exclusion."""
    if row.split == examples.TRAIN:
        for split, reason in _SPARED.items():
            if row.sha256 in held_out[split]:
                return reason
    return row.split


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file atomically; `partial` as in `complete_file`."""
    # TFX's readers expect gzip, but PNG does not compress further; level 0 only stores it.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with complete_file(path, partial) as file, tf.io.TFRecordWriter(file, gzip) as writer:
        for record in records:
            writer.write(record)


@contextmanager
def complete_file(path: str, partial: str) -> Iterator[str]:
    """Yields the path of a new file in the folder `partial`, which is moved to `path` at the end.

    An exception leaves it in `partial`.
    """
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    yield unfinished
    fileio.rename(unfinished, path, overwrite=True)
