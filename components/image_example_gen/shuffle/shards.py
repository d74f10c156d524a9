"""Writes examples to sorted shards in each split; each shard appears atomically."""

import itertools
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen import names
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT, LEFT_OUT
from components.image_example_gen.shuffle.files import complete_file
from components.image_example_gen.shuffle.parts import Row, unpack
from trainer import examples

# A shard is sorted in memory; these limit its images and its bytes of pixels, approximately.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20
# A part is at most as large. Smaller ones occupy more workers, and less of them is lost if a run is
# killed; from larger ones, a shard is read faster.
PARTS, MIN_IMAGES_PER_PART = 64, 64
# Images that equal one in these splits are not trained on; their counts have these names. An equal
# image in eval belongs to another group (group_pattern).
_SPARED = {examples.HOLDOUT: IN_HOLDOUT, examples.EVAL: LEFT_OUT}
USES = "uses"  # kind of the counts of images by split, or by the name of the count
Located = tuple[Row, str]  # with the name of the file


def shard_count(files: int, options: ImageOptions) -> int:
    """Returns the number of shards for a number of files."""
    return math.ceil(files / _shard_size(options))


def part_size(files: int, options: ImageOptions) -> int:
    """Returns the number of files of a part: a power of two, or that of a shard.

    It seldom changes, so that most parts are the same ones if files arrive after a killed run.
    """
    share = max(MIN_IMAGES_PER_PART, files // PARTS)
    return min(2 ** (share.bit_length() - 1), _shard_size(options))


def _shard_size(options: ImageOptions) -> int:
    image_bytes = options.resolution**2 * options.channels
    return min(IMAGES_PER_SHARD, BYTES_PER_SHARD // image_bytes)


class WriteShard(beam.DoFn):
    """Writes a shard to one file per split; yields the counts ((USES, name), number).

    Args:
        split_folders: folders of the examples, by split.
        uses: the splits, and names of counts, by the number in a row.
        partial: folder of the parts.
        shards: number of shards.
    """

    def __init__(
        self, split_folders: Mapping[str, str], uses: Sequence[str], partial: str, shards: int
    ) -> None:
        super().__init__()
        self._split_folders = split_folders
        self._uses = list(uses)
        self._partial = partial
        self._shards = shards

    def process(
        self, shard: tuple[int, Iterable[tuple[str, bytes]]]
    ) -> Iterator[tuple[tuple[str, str], int]]:
        """Sorts and writes a shard."""
        index = shard[0]
        rows = sorted((row, name) for name, packed in shard[1] for row in unpack(packed))
        data = [row for row, _ in rows if self._uses[row.use] != examples.HOLDOUT]
        equal = sum(a.sha256 == b.sha256 for a, b in itertools.pairwise(data))
        yield (USES, names.DUPLICATES), equal
        held_out = {
            split: {row.sha256 for row, _ in rows if self._uses[row.use] == split}
            for split in _SPARED
        }
        used = defaultdict(list)
        for located in rows:
            used[self._use(located[0], held_out)].append(located)
        for use, found in used.items():
            yield (USES, use), len(found)
        written = [each for split in self._split_folders for each in used[split]]
        read = dict(self._read(written))
        for split, folder in self._split_folders.items():
            name = f"data_tfrecord-{index:05}-of-{self._shards:05}.gz"
            records = [read[located] for located in used[split]]
            write_records(os.path.join(folder, name), records, self._partial)

    def _use(self, row: Row, held_out: Mapping[str, Set[bytes]]) -> str:
        """Returns the split of a row, or the name of the count of its exclusion."""
        use = self._uses[row.use]
        if use == examples.TRAIN:
            for split, reason in _SPARED.items():
                if row.sha256 in held_out[split]:
                    return reason
        return use

    def _read(self, rows: Iterable[Located]) -> Iterator[tuple[Located, bytes]]:
        """Reads examples, one file after the other."""
        ordered = sorted(rows, key=lambda located: (located[1], located[0].offset))
        for name, of_file in itertools.groupby(ordered, lambda located: located[1]):
            with fileio.open(os.path.join(self._partial, name), "rb") as file:
                for located in of_file:
                    file.seek(located[0].offset)
                    yield located, file.read(located[0].size)


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file atomically; `partial` as in `complete_file`."""
    # TFX's readers expect gzip, but PNG does not compress further; level 0 only stores it.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with complete_file(path, partial) as file, tf.io.TFRecordWriter(file, gzip) as writer:
        for record in records:
            writer.write(record)
