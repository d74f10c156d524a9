"""Writes examples to sorted shards in each split; each shard appears atomically."""

import itertools
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.image_example_gen import names
from components.image_example_gen.example import with_group
from components.image_example_gen.near_duplicates.decided import Decided, read_decided
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT, LEFT_OUT
from components.image_example_gen.shuffle.contents import Contents
from components.image_example_gen.shuffle.files import INDEX, INDEX_SUFFIX, complete_file
from components.image_example_gen.shuffle.rows import (
    NO_HASH,
    Outcome,
    Rows,
    divide,
    sort_rows,
    write_rows,
)
from components.image_example_gen.shuffle.taking_over import TakenOver
from trainer import examples

# A shard is sorted in memory; these limit its images and its bytes of pixels, approximately.
IMAGES_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20
# A part is at most as large. Smaller ones occupy more workers, and less of them is lost if a run is
# killed; from larger ones, a shard is read faster.
PARTS, MIN_IMAGES_PER_PART = 64, 64
GROUPS = 64  # of shards that a worker writes one after the other: each reads the rows of all parts
# Around a record in a TFRecord file: its length and checksums.
BEFORE_RECORD, AFTER_RECORD = 12, 4
# Images that equal one in these splits are not trained on; their counts have these names. An equal
# image in eval belongs to another group (group_pattern). The last reason counts.
_SPARED = {examples.EVAL: LEFT_OUT, examples.HOLDOUT: IN_HOLDOUT}
_DIVIDED = (examples.TRAIN, examples.EVAL)  # splits between which groups are divided
USES = "uses"  # kind of the counts of images by split, or by the name of the count


def shard_count(files: int, options: ImageOptions) -> int:
    """Returns the number of shards for a number of files."""
    return math.ceil(files / _shard_size(options))


def shard_groups(shards: int) -> list[tuple[int, int]]:
    """Divides the shards into groups: the first one of each, and the last one, exclusive."""
    size = math.ceil(shards / GROUPS)
    return [(first, min(first + size, shards)) for first in range(0, shards, size)]


def part_size(files: int, options: ImageOptions) -> int:
    """Returns the number of files of a part, of a number of files to decode."""
    return min(max(MIN_IMAGES_PER_PART, files // PARTS), _shard_size(options))


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
        taken: what was taken over from earlier runs.
        shards: number of shards.
        split: split of a group, by its name.
    """

    def __init__(
        self,
        output: str,
        split_folders: Mapping[str, str],
        uses: Sequence[str],
        partial: str,
        taken: TakenOver,
        shards: int,
        split: Callable[[str], str],
    ) -> None:
        super().__init__()
        self._output = output
        self._split_folders = split_folders
        self._uses = list(uses)
        self._partial = partial
        self._taken = taken
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
        contents = Contents(self._partial, self._taken.files)
        taken = [self._taken.parts[group]] if self._taken.parts else []
        rows = sort_rows(
            [
                contents.rows(part, lambda rows: divide(rows, group, self._shards)[0])
                for part in (*parts, *taken)
            ]
        )
        edges = range(group[0], group[1] + 1)
        for shard, some in enumerate(divide(rows, edges, self._shards), group[0]):
            yield from self._write(shard, some, contents, near)

    def _write(
        self, shard: int, rows: np.ndarray, contents: Contents, near: Decided | None
    ) -> Iterator[tuple[tuple[str, str], int]]:
        hashes = [sha256.tobytes() for sha256 in rows["sha256"]]
        between = (hashes[0], hashes[-1]) if hashes else (NO_HASH, NO_HASH)
        groups = near.groups_between(*between) if near else {}
        compared = rows["look"].any(axis=1)
        for place in np.flatnonzero(compared).tolist() if groups else ():
            if hashes[place] in groups and self._uses[rows["use"][place]] in _DIVIDED:
                split = self._split(groups[hashes[place]].hex())
                rows["use"][place] = self._uses.index(split)
        uses = [self._uses[use] for use in rows["use"].tolist()]
        by_hash = list(zip(hashes, uses, strict=True))
        data = [sha256 for sha256, use in by_hash if use not in (names.REJECTED, examples.HOLDOUT)]
        yield (USES, names.DUPLICATES), sum(a == b for a, b in itertools.pairwise(data))
        spared = {
            sha256: reason
            for split, reason in _SPARED.items()
            for sha256, use in by_hash
            if use == split
        }
        if near:
            spared |= dict.fromkeys(near.held_out_between(*between), IN_HOLDOUT)
        used = defaultdict(list)
        for place, (sha256, use) in enumerate(by_hash):
            used[spared.get(sha256, use) if use == examples.TRAIN else use].append(place)
        for use, places in used.items():
            if use != names.REJECTED:
                yield (USES, use), len(places)

        wanted = [place for split in self._split_folders for place in used[split]]
        found = dict(zip(wanted, contents.examples(rows[wanted]), strict=True))
        if near:
            for place in np.flatnonzero(compared).tolist():
                if place in found:  # an earlier run may have had another group for it
                    group = groups.get(hashes[place], hashes[place]).hex()
                    found[place] = with_group(found[place], group)
        self._write_files(shard, rows, used, found, contents.outcomes)

    def _write_files(
        self,
        shard: int,
        rows: np.ndarray,
        used: Mapping[str, Sequence[int]],
        found: Mapping[int, bytes],
        outcomes: Sequence[Outcome],
    ) -> None:
        """Writes the files of a shard and their index.

        Args:
            shard: its number.
            rows: of all its images; they are changed to those of the index.
            used: places of the images by their use.
            found: examples by place.
            outcomes: of images.
        """
        name = f"{shard:05}-of-{self._shards:05}"
        rows["file"] = rows["offset"] = rows["size"] = 0
        files = []
        for split, folder in self._split_folders.items():
            path = os.path.join(folder, f"data_tfrecord-{name}.gz")
            records = [found[place] for place in used[split]]
            write_records(path, records, self._partial)
            files.append(os.path.relpath(path, self._output))
            sizes = np.array([len(record) for record in records], int)
            ends = np.cumsum(BEFORE_RECORD + sizes + AFTER_RECORD)
            rows["file"][used[split]] = len(files)
            rows["offset"][used[split]] = ends - AFTER_RECORD - sizes
            rows["size"][used[split]] = sizes
        numbers: dict[int, int] = {}
        rows["outcome"] = [
            numbers.setdefault(number, len(numbers)) for number in rows["outcome"].tolist()
        ]
        write_rows(
            os.path.join(self._output, INDEX, f"{name}{INDEX_SUFFIX}"),
            self._partial,
            Rows(rows.tobytes(), [outcomes[number] for number in numbers], files),
        )


def write_records(path: str, records: Iterable[bytes], partial: str) -> None:
    """Writes a TFRecord file atomically; `partial` as in `complete_file`."""
    # TFX's readers expect gzip, but PNG does not compress further; level 0 only stores it.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    with complete_file(path, partial) as file, tf.io.TFRecordWriter(file, gzip) as writer:
        for record in records:
            writer.write(record)
