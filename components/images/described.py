"""Files of described images: what the metrics read of real images, a block of rows at a time."""

import io
import sys
from collections.abc import Iterator

import apache_beam as beam
import numpy as np

from components.features import load_extractor
from components.features.options import SEARCH_SPACE, FeatureOptions
from components.images.image_set import Images, ImageSet, describe, join
from components.images.records import find_files, read_records
from components.metrics.image_statistics import ImageStatistics
from components.sharing import shared

shared_extractor = shared(load_extractor)


class DescribeImages(beam.DoFn):
    """Images to one ImageSet."""

    def __init__(
        self, features: FeatureOptions, *, searched: bool = False, statistics: bool = True
    ) -> None:
        """Says what is described.

        Args:
            features: the feature space.
            searched: whether the nearest training images are to be found.
            statistics: whether to compute the statistics of the pixels.
        """
        self._features, self._searched, self._statistics = features, searched, statistics

    def setup(self) -> None:
        """Loads the feature spaces, once per process."""
        self._extract = shared_extractor(self._features)
        self._extract_views = shared_extractor(SEARCH_SPACE) if self._searched else None

    def process(self, images: Images) -> Iterator[ImageSet]:
        """Yields the ImageSet."""
        yield describe(images, self._extract, self._extract_views, statistics=self._statistics)


class WriteImageSets(beam.PTransform):
    """Writes ImageSets, of which each becomes a block, into TFRecord files.

    They are not compressed: of a compressed file, Beam has 16 MiB in memory, and what is in them.
    """

    def __init__(self, prefix: str) -> None:
        """Describes the files; the path of each starts with `prefix`."""
        super().__init__()
        self._prefix = prefix

    def expand(self, sets: beam.PCollection) -> beam.PCollection:
        """From ImageSets to the files written."""
        return (
            sets
            | "Serialize" >> beam.Map(serialize)
            | "Write" >> beam.io.WriteToTFRecord(self._prefix)
        )


def read_blocks(pattern: str, rows: int) -> Iterator[ImageSet]:
    """Reads the images in all files that match a pattern, about so many rows at a time.

    Each block is sorted by key. There must be a file.
    """
    paths = find_files(pattern)
    if not paths:
        raise FileNotFoundError(f"no features of images: {pattern}")
    parts: list[ImageSet] = []
    for part in map(parse, read_records(paths)):
        parts.append(part)
        if sum(map(len, parts)) >= rows:
            yield join(parts)
            parts = []
    if parts:
        yield join(parts)


def read_image_set(pattern: str) -> ImageSet | None:
    """Reads all images as one ImageSet; None without images."""
    return next(read_blocks(pattern, sys.maxsize), None)


def serialize(images: ImageSet) -> bytes:
    """Serializes images without scores, whose nearest training images are not known."""
    file = io.BytesIO()
    np.savez(
        file,
        keys=np.array(images.keys, np.bytes_),  # which end with a path, not with a null byte
        labels=np.array([label.encode() for label in images.labels], np.bytes_),
        vectors=images.vectors,
        flat=images.flat,
        digests=images.digests,
        views=images.views,
        **images.statistics._asdict(),
    )
    return file.getvalue()


def parse(block: bytes) -> ImageSet:
    """Reads what `serialize` returned."""
    with np.load(io.BytesIO(block)) as found:
        arrays = dict(found)
    count = len(arrays["keys"])
    return ImageSet(
        keys=arrays.pop("keys").tolist(),
        labels=[label.decode() for label in arrays.pop("labels").tolist()],
        statistics=ImageStatistics(*(arrays.pop(name) for name in ImageStatistics._fields)),
        scores=None,
        distances=np.full(count, np.nan),
        mirrored=np.zeros(count, bool),
        **arrays,
    )
