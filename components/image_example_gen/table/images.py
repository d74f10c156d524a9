"""All images of a run, in the order of their hashes: in which split and shard each of them is."""

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.image_example_gen import names
from components.image_example_gen.example import split_of
from components.image_example_gen.near_duplicates import LOOK_BYTES, group, near_any
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import GROUPS, IMAGES, IN_HOLDOUT, LEFT_OUT
from components.image_example_gen.spans import ImageSource
from components.image_example_gen.table.files import to_mask
from components.image_example_gen.table.known import read_groups
from trainer import examples

# The splits of images, and what keeps them out of all; sources may have other splits.
_USES = (examples.TRAIN, examples.EVAL, examples.HOLDOUT, LEFT_OUT, IN_HOLDOUT)
_TRAIN, _EVAL, _HOLDOUT, _LEFT_OUT, _IN_HOLDOUT = range(len(_USES))
_HASHES = 2**64  # what the shards divide
_BATCH = 10_000  # images, of which there are Python objects at a time
MOST_GROUPS, MOST_SHOWN = 10, 5  # of near-duplicates in the report, and images of each


class Images:
    """The accepted images of a run.

    Args:
        rows: of these, as of `sort_rows`.
        sources: what they are of.
        ends: number of files of all sources up to each of them.
        options: how images are divided.
        split_salt: as in `example.split_of`.
        earlier: folders of earlier artifacts, whose groups of near-duplicates are kept.

    Attributes:
        rows: as given.
        splits: names of all splits, and what keeps images out of them.
        uses: uint8 [n], places among these.
        leaders: uint8 [m, 32], hashes of the leaders of near-duplicates.
        leader: int32 [n], place of the group among them; -1 of an image that follows no other.
        near_duplicates: the counts of the report, or None where they are not searched.
        largest: places of some images of each of the largest groups.
    """

    def __init__(
        self,
        rows: pa.Table,
        sources: Sequence[ImageSource],
        ends: Sequence[int],
        options: ImageOptions,
        split_salt: str,
        earlier: Sequence[str],
    ) -> None:
        self._percent, self._salt = options.eval_percent, split_salt
        self.rows = rows
        self._sha256 = _bytes_of(self.rows["sha256"], 32)
        differ = (self._sha256[1:] != self._sha256[:-1]).any(axis=1)
        # The number of each image among different ones.
        self._numbers = np.append(0, np.cumsum(differ)).astype(np.int32)[: len(rows)]
        self.splits = list(dict.fromkeys([*_USES, *(each.split for each in sources if each.split)]))
        self.uses = np.zeros(len(rows), np.uint8)
        self._divide(sources, ends)
        self.leaders, self.leader = self._sha256[:0], np.full(len(rows), -1, np.int32)
        self.near_duplicates, self.largest = None, []
        held_out = self._among(self.uses == _HOLDOUT)
        if options.near_duplicates == "group" and sources[0].split is None:
            held_out |= self._group(earlier)
        is_train = self.uses == _TRAIN
        # Images that equal one in these splits are not trained on. An equal image in eval belongs
        # to another group of group_pattern.
        in_eval = self._among(self.uses == _EVAL)
        self.uses[is_train & in_eval[self._numbers]] = _LEFT_OUT
        self.uses[is_train & held_out[self._numbers]] = _IN_HOLDOUT

    def counts(self) -> dict[str, int]:
        """Returns the number of images by their use, and of duplicates."""
        data = self.uses != _HOLDOUT
        duplicates = int(data.sum() - self._among(data).sum())
        counts = np.bincount(self.uses, minlength=len(self.splits)).tolist()
        return {**dict(zip(self.splits, counts, strict=True)), names.DUPLICATES: duplicates}

    def shards(self, count: int) -> list[range]:
        """Returns the places of the images of so many shards.

        A shard is a range of hashes. So what is together in a shard is together in the shards of a
        run with more images.
        """
        starts = [-(-shard * _HASHES // count) for shard in range(count)]  # rounded up
        first_bytes = np.ascontiguousarray(self._sha256[:, :8]).view(">u8").ravel()
        begins = np.searchsorted(first_bytes, np.array(starts, ">u8")).tolist()
        return [range(*edges) for edges in itertools.pairwise([*begins, len(self.rows)])]

    def _among(self, chosen: np.ndarray) -> np.ndarray:
        """Which of the different images some images are, bool."""
        found = np.zeros(self._numbers[-1] + 1 if len(self._numbers) else 0, bool)
        found[self._numbers[chosen]] = True
        return found

    def _divide(self, sources: Sequence[ImageSource], ends: Sequence[int]) -> None:
        """Sets the splits, by hash of the group or of the pixels where the source has none."""
        numbers = np.searchsorted(ends, self.rows["place"].to_numpy(), "right")
        for number, source in enumerate(sources):
            places = np.flatnonzero(numbers == number)
            if source.split:
                self.uses[places] = self.splits.index(source.split)
                continue
            for first in range(0, len(places), _BATCH):
                some = places[first : first + _BATCH]
                captured = self.rows["group"].take(pa.array(some)).to_pylist()
                hashes = (sha256.tobytes().hex() for sha256 in self._sha256[some])
                groups = [group or hash_ for group, hash_ in zip(captured, hashes, strict=True)]
                uses = np.array([self._split(group) for group in groups], np.uint8)
                is_held_out = np.array([group in source.held_out for group in groups], bool)
                self.uses[some] = np.where(is_held_out & (uses == _TRAIN), _IN_HOLDOUT, uses)

    def _split(self, group: str) -> int:
        return _USES.index(split_of(group, self._percent, self._salt))

    def _group(self, earlier: Sequence[str]) -> np.ndarray:
        """Puts near-duplicates in one split; returns which images look like one of holdout."""
        is_compared = to_mask(self.rows["look"].is_valid())
        is_held_out = self.uses == _HOLDOUT
        places, looks, spans = self._looks(is_compared & ~is_held_out)
        before, hashes = self._groups_before(places, read_groups(earlier))
        numbers = group(looks, spans, before)
        follows = np.flatnonzero(numbers != np.arange(len(numbers)))
        chosen, of_chosen = np.unique(numbers[follows], return_inverse=True)
        self.leaders = _bytes_of(hashes.take(pa.array(chosen)), 32)
        by_number = np.full(len(self._among(is_compared)), -1, np.int32)
        by_number[self._numbers[places[follows]]] = of_chosen
        self.leader = np.where(is_compared, by_number[self._numbers], -1).astype(np.int32)
        is_divided = (self.uses == _TRAIN) | (self.uses == _EVAL)
        for place in np.flatnonzero((self.leader >= 0) & is_divided).tolist():
            self.uses[place] = self._split(self.leaders[self.leader[place]].tobytes().hex())
        self._count_groups(places, numbers)
        near = near_any(looks, self._looks(is_compared & is_held_out)[1])
        found = np.zeros(len(by_number), bool)
        found[self._numbers[places[near]]] = True
        return found

    def _groups_before(
        self, places: np.ndarray, groups: pa.Table
    ) -> tuple[np.ndarray, pa.ChunkedArray]:
        """The groups of images in the run before, as `group` takes them, and the hashes of all."""
        sha256 = self.rows["sha256"].take(pa.array(places))
        known = pc.index_in(sha256, value_set=groups["sha256"])
        leaders = groups["leader"].take(known).cast(pa.binary(32))  # null of a leader
        # Leaders that are gone come after all images.
        hashes = pa.chunked_array([*sha256.chunks, *leaders.drop_null().chunks], pa.binary(32))
        itself = pa.array(np.arange(len(places), dtype=np.int32))
        before = pc.coalesce(pc.index_in(leaders, value_set=hashes), itself)
        return np.where(to_mask(known.is_valid()), before.to_numpy(), np.int32(-1)), hashes

    def _looks(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places, looks and spans of the different images among some, each of its oldest span."""
        places = np.flatnonzero(chosen)
        spans = self.rows["span"].to_numpy()
        places = places[np.lexsort((spans[places], self._numbers[places]))]
        places = places[np.unique(self._numbers[places], return_index=True)[1]]
        looks = _bytes_of(self.rows["look"].take(pa.array(places)), LOOK_BYTES)
        return places, looks, spans[places]

    def _count_groups(self, places: np.ndarray, groups: np.ndarray) -> None:
        """Counts the groups of the images at these places, and notes some of the largest."""
        _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        self.near_duplicates = {IMAGES: int(sizes[sizes > 1].sum()), GROUPS: int(np.sum(sizes > 1))}
        largest = np.argsort(-sizes, kind="stable")[:MOST_GROUPS]
        self.largest = [
            places[np.flatnonzero(number == each)[:MOST_SHOWN]]
            for each in largest.tolist()
            if sizes[each] > 1
        ]


def _bytes_of(column: pa.ChunkedArray, width: int) -> np.ndarray:
    """The values of a column without nulls, uint8 [n, width]."""
    if not len(column):
        return np.zeros((0, width), np.uint8)
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    content = np.frombuffer(array.buffers()[1], np.uint8)
    return content[array.offset * width :][: len(array) * width].reshape(-1, width)
