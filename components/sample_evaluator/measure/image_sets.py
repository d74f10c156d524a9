"""The images of each source, gathered by Beam: what metrics are derived from."""

from collections.abc import Iterable
from typing import NamedTuple

import apache_beam as beam
import numpy as np

_BUFFER = 256  # records that are put into arrays at a time


class ImageRecord(NamedTuple):
    """What the metrics need of one image; records sort by the key, which is unique."""

    key: bytes
    flat: bool  # all pixels of the image are equal
    digest: bytes  # SHA-256 of its pixels
    distance: float  # to the nearest training image; NaN where it was not looked for
    vector: np.ndarray  # float [d], its features


class ImageSet(NamedTuple):
    """The images of one source, in the order of their keys."""

    keys: list[bytes]
    vectors: np.ndarray  # float [N, d]
    distances: np.ndarray  # float [N]
    flat: int  # images that are a single color
    distinct: int  # different images


class _Block(NamedTuple):
    """Images in arrays, which take a fraction of the memory of as many records."""

    keys: list[bytes]
    digests: list[bytes]
    flat: np.ndarray  # bool [n]
    distances: np.ndarray  # float [n]
    vectors: np.ndarray  # float [n, d]


class _Accumulator:
    """The images of a source: in blocks, but for those that wait in the buffer."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.buffer: list[ImageRecord] = []

    def flush(self) -> None:
        if self.buffer:
            keys, flat, digests, distances, vectors = zip(*self.buffer, strict=True)
            block = _Block(
                list(keys), list(digests), np.array(flat), np.array(distances), np.stack(vectors)
            )
            self.blocks.append(block)
            self.buffer = []


class GatherFeatures(beam.CombineFn):
    """(source, ImageRecord) pairs to {source: ImageSet}, whatever the order they come in."""

    def create_accumulator(self) -> dict[str, _Accumulator]:
        """Starts empty."""
        return {}

    def add_input(
        self, accumulator: dict[str, _Accumulator], element: tuple[str, ImageRecord]
    ) -> dict[str, _Accumulator]:
        """Adds one image."""
        source, record = element
        found = accumulator.setdefault(source, _Accumulator())
        found.buffer.append(record)
        if len(found.buffer) >= _BUFFER:
            found.flush()
        return accumulator

    def merge_accumulators(
        self, accumulators: Iterable[dict[str, _Accumulator]]
    ) -> dict[str, _Accumulator]:
        """Joins the images of each source."""
        merged: dict[str, _Accumulator] = {}
        for accumulator in accumulators:
            for source, other in self.compact(accumulator).items():
                merged.setdefault(source, _Accumulator()).blocks.extend(other.blocks)
        return merged

    def compact(self, accumulator: dict[str, _Accumulator]) -> dict[str, _Accumulator]:
        """Empties the buffers, before an accumulator travels."""
        for found in accumulator.values():
            found.flush()
        return accumulator

    def extract_output(self, accumulator: dict[str, _Accumulator]) -> dict[str, ImageSet]:
        """Sorts the images of each source and joins their features."""
        return {
            source: _image_set(found.blocks) for source, found in self.compact(accumulator).items()
        }


def _image_set(blocks: list[_Block]) -> ImageSet:
    keys = [key for block in blocks for key in block.keys]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return ImageSet(
        keys=[keys[i] for i in order],
        vectors=np.concatenate([block.vectors for block in blocks])[order],
        distances=np.concatenate([block.distances for block in blocks])[order],
        flat=sum(int(block.flat.sum()) for block in blocks),
        distinct=len({digest for block in blocks for digest in block.digests}),
    )
