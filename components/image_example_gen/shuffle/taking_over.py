"""Takes over what earlier runs know of images: as rows for the shards, without decoding.

The rows are sorted and divided here, so that a group of shards reads its own only. Per image there
are no objects that stay, and no work for Beam.
"""

import heapq
import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.image_example_gen import names
from components.image_example_gen.example import choose_split, split_group
from components.image_example_gen.files import ImageFile
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT, MAX_REJECTED_FILES
from components.image_example_gen.shuffle.decoding import NOTES, REASONS
from components.image_example_gen.shuffle.earlier import Known
from components.image_example_gen.shuffle.rows import Rows, bounds, write_rows
from components.image_example_gen.spans import ImageSource
from components.progress import DECODED
from trainer.common.progress import Report, phase, report

IMAGES_AT_A_TIME = 1000


@dataclass(frozen=True)
class TakenOver:
    """What was taken over, in files in the folder of the parts.

    Attributes:
        files: names of those with examples, by the number in a row.
        parts: names of those with rows, by the group of shards that they belong to.
    """

    files: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[tuple[int, int], str] = field(default_factory=dict)


class TakeOver:
    """Takes over the images of one source after the other, in the order of `known`.

    Args:
        known: what earlier runs know. Its rows are changed to those of this run; images that turn
            out to have no example, but need one, are no longer found.
        options: how each image is converted.
        split_salt: as in `example.split_of`.
        uses: the splits, names of counts, and REJECTED.

    Attributes:
        counts: of images, by kind and name.
        rejected: (path, reason) of the first rejected files.
    """

    def __init__(
        self, known: Known, options: ImageOptions, split_salt: str, uses: Sequence[str]
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.rejected: list[tuple[str, str]] = []
        self._known = known
        self._options = options
        self._split_salt = split_salt
        self._uses = {use: number for number, use in enumerate(uses)}
        self._reasons = np.array([bool(each.reason) for each in known.outcomes], bool)
        self._end = 0  # of the sources so far

    def add(self, source: ImageSource, files: Sequence[ImageFile], *, by_span: bool) -> None:
        """Takes over the images of the next source.

        Args:
            source: their source.
            files: all of it, sorted by path.
            by_span: whether they are counted by span.
        """
        begin, self._end = self._end, self._end + len(files)
        orders = np.flatnonzero(self._known.found[begin : self._end])
        for first in range(0, len(orders), IMAGES_AT_A_TIME):
            some = orders[first : first + IMAGES_AT_A_TIME]
            with phase(DECODED):
                self._choose(source, files, begin, some)
                kept = int(np.count_nonzero(self._known.found[begin + some]))
                report(Report(DECODED, done=kept))  # the others are decoded, and counted then
        taken = orders[self._known.found[begin + orders]]
        numbers = self._known.rows["outcome"][begin + taken]
        for number, count in _count(numbers):
            reason, notes = self._known.outcomes[number]
            self.counts.update({(NOTES, note): count for note in notes})
            if reason:
                self.counts[REASONS, reason] += count
        rejected = self._reasons[numbers]
        if by_span:
            spans = self._known.rows["span"][begin + taken]
            for kind, some in ((names.ACCEPTED, ~rejected), (names.REJECTED, rejected)):
                self.counts.update({(kind, str(span)): n for span, n in _count(spans[some])})
        refused = zip(taken[rejected].tolist(), numbers[rejected].tolist(), strict=True)
        found = ((files[order].path, self._known.outcomes[n].reason) for order, n in refused)
        self.rejected = heapq.nsmallest(MAX_REJECTED_FILES, itertools.chain(self.rejected, found))

    def write(self, groups: Sequence[tuple[int, int]], partial: str) -> TakenOver:
        """Writes the rows, sorted by hash, after all sources were added.

        Args:
            groups: of shards: the first one, and the last one, exclusive.
            partial: folder of the parts.
        """
        places = np.flatnonzero(self._known.found)
        if not len(places):
            return TakenOver()
        begins = self._known.rows["sha256"][places, 0].astype(np.uint64)
        order = np.argsort(begins, kind="stable")
        places, begins = places[order], begins[order]
        shards = groups[-1][1]
        edges = bounds(begins, [first for first, _ in groups] + [shards], shards)
        parts = {}
        for group, (begin, end) in zip(groups, itertools.pairwise(edges), strict=True):
            parts[group] = f"{group[0]:06}.known"
            rows = self._known.rows[places[begin:end]]
            path = os.path.join(partial, parts[group])
            write_rows(path, partial, Rows(rows.tobytes(), self._known.outcomes))
        return TakenOver(self._known.files, parts)

    def _choose(
        self, source: ImageSource, files: Sequence[ImageFile], begin: int, orders: np.ndarray
    ) -> None:
        """Sets position and use in the rows of some images."""
        rows = self._known.rows[begin + orders]
        rejected = self._reasons[rows["outcome"]]
        text = rows["sha256"].tobytes().hex()
        hashes = [text[first : first + 64] for first in range(0, len(text), 64)]
        uses = [
            self._uses[self._use(files[order], sha256, source)]
            for order, sha256 in zip(orders.tolist(), hashes, strict=True)
        ]
        uses = np.where(rejected, self._uses[names.REJECTED], uses)
        self._known.rows["use"][begin + orders] = uses
        self._known.rows["order"][begin + orders] = orders
        # An earlier run may have had no use for the example.
        used = ~rejected & (uses != self._uses[IN_HOLDOUT])
        has_none = used & (rows["size"] == 0)
        self._known.found[begin + orders[has_none]] = False

    def _use(self, file: ImageFile, sha256: str, source: ImageSource) -> str:
        group = split_group(file.path_in_span, sha256, self._options)
        return choose_split(group, source, self._options, self._split_salt)


def _count(values: np.ndarray) -> list[tuple[int, int]]:
    """The different integers, and how often each of them occurs."""
    found, counts = np.unique(values, return_counts=True)
    return list(zip(found.tolist(), counts.tolist(), strict=True))
