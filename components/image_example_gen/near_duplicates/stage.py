"""The stage between decoding and writing that finds near-duplicates among all images of a run."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np

from components.image_example_gen import names
from components.image_example_gen.example import split_of
from components.image_example_gen.near_duplicates.decided import (
    DECIDED,
    Decided,
    join,
    read_decided,
    write_decided,
)
from components.image_example_gen.near_duplicates.grouping import (
    Looks,
    first_bytes,
    group,
    near_any,
    no_hashes,
)
from components.image_example_gen.near_duplicates.page import MAX_GROUPS, MAX_SHOWN, write_page
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import GROUPS, IMAGES, NEAR_DUPLICATES, SEPARATED
from components.image_example_gen.shuffle.contents import Contents
from components.image_example_gen.shuffle.decoding import COUNTS
from components.image_example_gen.shuffle.files import INDEX
from components.image_example_gen.shuffle.rows import LOOK_BYTES, ROW_TYPE, read_rows, sort_rows
from components.image_example_gen.shuffle.taking_over import TakenOver
from trainer import examples


class FindNearDuplicates(beam.DoFn):
    """Compares all images; yields the name of the file in `partial` with what was decided.

    A further output are COUNTS: ((NEAR_DUPLICATES, name), number).

    Args:
        output: folder of the artifact.
        options: how each image is converted.
        split_salt: as in `example.split_of`.
        uses: the splits, names of counts, and REJECTED, by the number in a row.
        partial: folder of the parts.
        taken: what was taken over from earlier runs.
        earlier: what earlier runs decided, a file in `partial`.
    """

    def __init__(
        self,
        output: str,
        options: ImageOptions,
        split_salt: str,
        uses: Sequence[str],
        partial: str,
        taken: TakenOver,
        earlier: str,
    ) -> None:
        super().__init__()
        self._output = output
        self._options = options
        self._split_salt = split_salt
        self._uses = list(uses)
        self._partial = partial
        self._taken = taken
        self._earlier = earlier

    def process(self, _: None, parts: Iterable[str]) -> Iterator[Any]:
        """Compares the images of all parts."""
        parts = [*parts, *self._taken.parts.values()]
        images = self._read(parts, of_holdout=False)
        earlier = read_decided(os.path.join(self._partial, self._earlier))
        groups = group(images, earlier)
        follows = np.flatnonzero((groups != images.sha256).any(axis=1))
        decided = Decided(
            first_bytes(images.sha256),
            images.sha256[follows],
            groups[follows],
            images.sha256[near_any(images, self._read(parts, of_holdout=True))],
        )
        write_decided(os.path.join(self._partial, DECIDED), self._partial, decided)
        _, member_of, sizes = np.unique(
            first_bytes(groups), return_inverse=True, return_counts=True
        )
        counts = {IMAGES: int(sizes[sizes > 1].sum()), GROUPS: int(np.sum(sizes > 1))}
        if self._options.near_duplicates == "warn":
            counts[SEPARATED] = self._separated(decided)
        elif len(groups):
            # With all before: the artifacts that had them may be removed when an image returns.
            kept = join(decided, earlier)
            write_decided(os.path.join(self._output, INDEX, DECIDED), self._partial, kept)
        if counts[GROUPS]:
            self._write_page(images.sha256, member_of, sizes, parts)
        yield DECIDED
        for name, count in counts.items():
            yield beam.pvalue.TaggedOutput(COUNTS, ((NEAR_DUPLICATES, name), count))

    def _read(self, parts: Sequence[str], of_holdout: bool) -> Looks:
        """Returns the images to compare, in the order of their hashes.

        Args:
            parts: names of their files.
            of_holdout: read those of holdout, not the others.

        Returns:
            Each image once, with its oldest span.
        """
        sha256, spans = [no_hashes()], [np.zeros(0, np.uint32)]
        looks = [np.zeros((0, LOOK_BYTES), np.uint8)]
        holdout = np.array([use == examples.HOLDOUT for use in self._uses])
        for part in parts:
            rows = _compared(_all_rows(os.path.join(self._partial, part)))
            rows = rows[holdout[rows["use"]] == of_holdout]
            sha256.append(np.ascontiguousarray(rows["sha256"]).view(np.uint8).reshape(-1, 32))
            looks.append(rows["look"].copy())  # a view would keep the rows
            spans.append(rows["span"].copy())
        found = Looks(np.concatenate(sha256), np.concatenate(looks), np.concatenate(spans))
        begins = first_bytes(found.sha256)
        order = np.lexsort((found.spans, begins))
        order = order[np.unique(begins[order], return_index=True)[1]]
        return Looks(found.sha256[order], found.looks[order], found.spans[order])

    def _separated(self, decided: Decided) -> int:
        """How many images are in another split than the leader of their group."""
        return sum(
            self._split(follower) != self._split(leader)
            for follower, leader in zip(decided.followers, decided.groups, strict=True)
        )

    def _split(self, sha256: np.ndarray) -> str:
        return split_of(sha256.tobytes().hex(), self._options.eval_percent, self._split_salt)

    def _write_page(
        self, sha256: np.ndarray, member_of: np.ndarray, sizes: np.ndarray, parts: Sequence[str]
    ) -> None:
        """Shows the largest groups."""
        largest = np.argsort(-sizes, kind="stable")[:MAX_GROUPS]
        by_group = np.argsort(member_of, kind="stable")
        ends = np.cumsum(sizes)
        shown = []
        for number in largest[sizes[largest] > 1].tolist():
            begin = ends[number] - sizes[number]
            members = by_group[begin : min(begin + MAX_SHOWN, ends[number])]
            shown.append((int(sizes[number]), first_bytes(sha256[members]).tolist()))
        found = self._examples([image for _, members in shown for image in members], parts)
        pictures = [
            (size, [found[image] for image in members if image in found]) for size, members in shown
        ]
        path = os.path.join(self._output, names.NEAR_DUPLICATES_HTML)
        write_page(path, self._partial, pictures, int(np.sum(sizes > 1)))

    def _examples(self, images: Sequence[int], parts: Sequence[str]) -> dict[int, bytes]:
        """The examples of those images that have one, by the first bytes of the hash."""
        contents = Contents(self._partial, self._taken.files)
        rows = sort_rows(
            [contents.rows(part, lambda rows: _chosen(rows, images)) for part in parts]
        )
        found, first = np.unique(rows["sha256"][:, 0], return_index=True)
        return dict(zip(found.tolist(), contents.examples(rows[first]), strict=True))


def _all_rows(path: str) -> np.ndarray:
    return np.frombuffer(read_rows(path).packed, ROW_TYPE)


def _compared(rows: np.ndarray) -> np.ndarray:
    """The rows of the images to compare."""
    return rows[rows["look"].any(axis=1)]


def _chosen(rows: np.ndarray, images: Sequence[int]) -> np.ndarray:
    """Those rows of images to compare that have an example, by the first bytes of the hash."""
    compared = _compared(rows)
    return compared[(compared["size"] > 0) & np.isin(compared["sha256"][:, 0], images)]
