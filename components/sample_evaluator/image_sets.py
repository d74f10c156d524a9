"""The images of each source, gathered by Beam: what metrics are derived from."""

from collections.abc import Iterable
from typing import NamedTuple

import apache_beam as beam
import numpy as np


class ImageRecord(NamedTuple):
    """What the metrics need of one image; records sort by the key, which is unique."""

    key: bytes
    flat: bool  # all pixels of the image are equal
    digest: bytes  # SHA-256 of its pixels
    distance: float  # to the nearest training image; NaN where it was not looked for
    vector: np.ndarray  # float [d], its features


class ImageSet(NamedTuple):
    """The images of one source, in the order of their keys."""

    vectors: np.ndarray  # float [N, d]
    distances: np.ndarray  # float [N]
    flat: int  # images that are a single color
    distinct: int  # different images


class GatherFeatures(beam.CombineFn):
    """(source, ImageRecord) pairs to {source: ImageSet}, whatever the order they come in."""

    def create_accumulator(self) -> dict[str, list[ImageRecord]]:
        """Starts empty."""
        return {}

    def add_input(
        self, accumulator: dict[str, list[ImageRecord]], element: tuple[str, ImageRecord]
    ) -> dict[str, list[ImageRecord]]:
        """Adds one image."""
        source, record = element
        accumulator.setdefault(source, []).append(record)
        return accumulator

    def merge_accumulators(
        self, accumulators: Iterable[dict[str, list[ImageRecord]]]
    ) -> dict[str, list[ImageRecord]]:
        """Joins the images of each source."""
        merged: dict[str, list[ImageRecord]] = {}
        for accumulator in accumulators:
            for source, records in accumulator.items():
                merged.setdefault(source, []).extend(records)
        return merged

    def extract_output(self, accumulator: dict[str, list[ImageRecord]]) -> dict[str, ImageSet]:
        """Sorts the images of each source and stacks their features."""
        return {source: _image_set(found) for source, found in accumulator.items()}


def _image_set(records: list[ImageRecord]) -> ImageSet:
    ordered = sorted(records, key=lambda record: record.key)
    return ImageSet(
        vectors=np.stack([record.vector for record in ordered]),
        distances=np.array([record.distance for record in ordered]),
        flat=sum(record.flat for record in ordered),
        distinct=len({record.digest for record in ordered}),
    )
