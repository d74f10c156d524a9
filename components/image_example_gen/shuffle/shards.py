"""Writes examples to sorted shards in each split; each shard appears atomically."""

import itertools
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

import apache_beam as beam
import tensorflow as tf

from components.image_example_gen import names
from components.image_example_gen.example import with_group
from components.image_example_gen.near_duplicates.decided import Decided, read_decided
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT, LEFT_OUT
from components.image_example_gen.shuffle.files import (
    INDEX,
    INDEX_SUFFIX,
    complete_file,
    open_to_read,
)
from components.image_example_gen.shuffle.rows import (
    NO_HASH,
    NO_LOOK,
    Outcome,
    Row,
    Rows,
    divide,
    gunzip,
    is_gzip,
    pack,
    read_rows,
    unpack,
    write_rows,
)
from trainer import examples

# A shard is sorted in memory; these limit its images and its bytes of pixels, approximately.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20
# A part is at most as large. Smaller ones occupy more workers, and less of them is lost if a run is
# killed; from larger ones, a shard is read faster.
PARTS, MIN_IMAGES_PER_PART = 64, 64
GROUPS = 64  # of shards that a worker writes one after the other: it reads all rows for each group
# Around a record in a TFRecord file: its length and checksums.
BEFORE_RECORD, AFTER_RECORD = 12, 4
# Images that equal one in these splits are not trained on; their counts have these names. An equal
# image in eval belongs to another group (group_pattern).
_SPARED = {examples.HOLDOUT: IN_HOLDOUT, examples.EVAL: LEFT_OUT}
USES = "uses"  # kind of the counts of images by split, or by the name of the count
Located = tuple[Row, str]  # with the name of the part


def shard_count(files: int, options: ImageOptions) -> int:
    """Returns the number of shards for a number of files."""
    return math.ceil(files / _shard_size(options))


def shard_groups(shards: int) -> list[tuple[int, int]]:
    """Divides the shards into groups: the first one of each, and the last one, exclusive."""
    size = math.ceil(shards / GROUPS)
    return [(first, min(first + size, shards)) for first in range(0, shards, size)]


def part_sizes(files: int, options: ImageOptions) -> tuple[int, int]:
    """Returns the number of files of a part.

    Args:
        files: number of files to decode.
        options: how each image is converted.

    Returns:
        That of a part of them, and that of a part of files that are known.
    """
    largest = _shard_size(options)
    return min(max(MIN_IMAGES_PER_PART, files // PARTS), largest), IMAGES_PER_SHARD


def _shard_size(options: ImageOptions) -> int:
    return min(IMAGES_PER_SHARD, BYTES_PER_SHARD // math.prod(options.shape))


class WriteShards(beam.DoFn):
    """Writes shards to one file per split; yields the counts ((USES, name), number).

    An index of each shard says where the example of each file is.

    Args:
        output: folder of the artifact.
        split_folders: folders of the examples, by split.
        uses: the splits, names of counts, and REJECTED, by the number in a row.
        partial: folder of the parts.
        files: names of the files in it with examples of earlier runs, by number.
        shards: number of shards.
        split: split of a group, by its name.
    """

    def __init__(
        self,
        output: str,
        split_folders: Mapping[str, str],
        uses: Sequence[str],
        partial: str,
        files: Mapping[int, str],
        shards: int,
        split: Callable[[str], str],
    ) -> None:
        super().__init__()
        self._output = output
        self._split_folders = split_folders
        self._uses = list(uses)
        self._partial = partial
        self._files = files
        self._shards = shards
        self._split = split

    def process(
        self, group: tuple[int, int], parts: Iterable[str], decided: str | None = None
    ) -> Iterator[tuple[tuple[str, str], int]]:
        """Sorts and writes the shards of a group.

        Args:
            group: the first shard, and the last one, exclusive.
            parts: names of all of them.
            decided: name of the file in `partial` with the groups of near-duplicates.
        """
        near = read_decided(os.path.join(self._partial, decided)) if decided else None
        outcomes = {}
        in_shards = defaultdict(list)
        for part in parts:
            rows = read_rows(os.path.join(self._partial, part))
            outcomes[part] = rows.outcomes
            for shard, packed in enumerate(divide(rows.packed, *group, self._shards), group[0]):
                in_shards[shard].append((part, packed))
        for shard in range(*group):
            located = sorted(
                (row, part) for part, packed in in_shards[shard] for row in unpack(packed)
            )
            yield from self._write(shard, located, outcomes, near)

    def _write(
        self,
        shard: int,
        rows: Sequence[Located],
        outcomes: Mapping[str, Sequence[Outcome]],
        near: Decided | None,
    ) -> Iterator[tuple[tuple[str, str], int]]:
        bounds = (rows[0][0].sha256, rows[-1][0].sha256) if rows else (NO_HASH, NO_HASH)
        groups = near.groups_between(*bounds) if near else None
        if near:
            rows = [(self._moved(row, groups), part) for row, part in rows]
        accepted = [each for each in rows if self._uses[each[0].use] != names.REJECTED]
        data = [row for row, _ in accepted if self._uses[row.use] != examples.HOLDOUT]
        equal = sum(a.sha256 == b.sha256 for a, b in itertools.pairwise(data))
        yield (USES, names.DUPLICATES), equal
        held_out = {
            split: {row.sha256 for row, _ in accepted if self._uses[row.use] == split}
            for split in _SPARED
        }
        if near:
            held_out[examples.HOLDOUT] |= near.held_out_between(*bounds)
        used = defaultdict(list)
        for located in accepted:
            used[self._use(located[0], held_out)].append(located)
        for use, found in used.items():
            yield (USES, use), len(found)
        wanted = [each for split in self._split_folders for each in used[split]]
        read = {
            each: self._with_group(example, each[0], groups)
            for each, example in read_examples(wanted, self._partial, self._files)
        }
        name = f"{shard:05}-of-{self._shards:05}"
        places, files = {}, []
        for split, folder in self._split_folders.items():
            path = os.path.join(folder, f"data_tfrecord-{name}.gz")
            write_records(path, [read[each] for each in used[split]], self._partial)
            files.append(os.path.relpath(path, self._output))
            end = 0
            for each in used[split]:
                size = len(read[each])
                places[each] = len(files), end + BEFORE_RECORD, size
                end += BEFORE_RECORD + size + AFTER_RECORD
        numbers: dict[Outcome, int] = {}
        index = []
        for each in rows:
            row, part = each
            file, offset, size = places.get(each, (0, 0, 0))
            outcome = numbers.setdefault(outcomes[part][row.outcome], len(numbers))
            index.append(row._replace(outcome=outcome, file=file, offset=offset, size=size))
        write_rows(
            os.path.join(self._output, INDEX, f"{name}{INDEX_SUFFIX}"),
            self._partial,
            Rows(pack(index), list(numbers), files),
        )

    def _moved(self, row: Row, groups: Mapping[bytes, bytes]) -> Row:
        """A row in the split of its group."""
        group = groups.get(row.sha256) if row.look != NO_LOOK else None
        if group is None or self._uses[row.use] not in (examples.TRAIN, examples.EVAL):
            return row
        return row._replace(use=self._uses.index(self._split(group.hex())))

    def _with_group(self, example: bytes, row: Row, groups: Mapping[bytes, bytes] | None) -> bytes:
        """An example with its group, which an earlier run may have had another one for."""
        if groups is None or row.look == NO_LOOK:
            return example
        return with_group(example, groups.get(row.sha256, row.sha256).hex())

    def _use(self, row: Row, held_out: Mapping[str, Set[bytes]]) -> str:
        """Returns the split of a row, or the name of the count of its exclusion."""
        use = self._uses[row.use]
        if use == examples.TRAIN:
            for split, reason in _SPARED.items():
                if row.sha256 in held_out[split]:
                    return reason
        return use


def read_examples(
    rows: Iterable[Located], partial: str, files: Mapping[int, str]
) -> Iterator[tuple[Located, bytes]]:
    """Reads the examples of rows, one file after the other.

    Args:
        rows: that have examples.
        partial: folder of the parts.
        files: names of the files in it with examples of earlier runs, by number.
    """
    ordered = sorted((files.get(each[0].file, each[1]), each[0].offset, each) for each in rows)
    for name, in_file in itertools.groupby(ordered, lambda each: each[0]):
        with open_to_read(os.path.join(partial, name)) as file:
            content = gunzip(file.read()) if is_gzip(name) else b""
            for _, offset, located in in_file:
                size = located[0].size
                if content:
                    yield located, content[offset : offset + size]
                else:
                    file.seek(offset)
                    yield located, file.read(size)


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file atomically; `partial` as in `complete_file`."""
    # TFX's readers expect gzip, but PNG does not compress further; level 0 only stores it.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with complete_file(path, partial) as file, tf.io.TFRecordWriter(file, gzip) as writer:
        for record in records:
            writer.write(record)
