"""Images of one source, and what the metrics read of them."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from components.features import Extractor
from components.metrics.image_statistics import ImageStatistics, statistics_of
from components.metrics.pair_scores import PairScores
from components.progress import FEATURES, counted

Rows = TypeVar("Rows", "Images", np.ndarray, Sequence)
VIEWED = 64  # images whose views are in memory at a time

# Smaller images lose a good part of what they show by a shift; in larger ones, a pixel changes
# their vectors too little to hide a copy.
MIN_SHIFTED, MAX_SHIFTED = 16, 63
SHIFTS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one source.

    Attributes:
        keys: sort the images of a source; unique within it.
        labels: the class of each image, or the one requested from the sampler; may be empty.
        pixels: uint8 [N, H, W, C].
        scores: of the images beside the held-out images that they should be; None without such.
    """

    keys: Sequence[bytes]
    labels: Sequence[str]
    pixels: np.ndarray
    scores: PairScores | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: slice) -> "Images":
        scores = self.scores and PairScores(*(each[rows] for each in self.scores))
        return Images(self.keys[rows], self.labels[rows], self.pixels[rows], scores)


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """What the metrics need to know about the images of one source; rows are in order of keys.

    Attributes:
        keys: as of the images.
        labels: as of the images.
        vectors: float32 [N, d], in the feature space of the metrics.
        flat: bool [N], whether all pixels of an image have the same color.
        digests: S32 [N], SHA-256 of the pixels.
        views: float32 [N, V, D], the vectors of each image's `search_views` in SEARCH_SPACE: the
            image itself first, its mirror image last; D is 0 if no nearest training image is to be
            found.
        statistics: of the pixels; empty arrays if they were not asked for.
        scores: of pairs; None if the images are no results.
        distances: float64 [N], from the nearest of `views` to the nearest training image, in
            SEARCH_SPACE; NaN before it is found.
        mirrored: bool [N], whether the mirror image is nearest.
        nearest: the key of each image's nearest training image; empty before it is found.
    """

    keys: list[bytes]
    labels: list[str]
    vectors: np.ndarray
    flat: np.ndarray
    digests: np.ndarray
    views: np.ndarray
    statistics: ImageStatistics
    scores: PairScores | None
    distances: np.ndarray
    mirrored: np.ndarray
    nearest: Sequence[bytes] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: np.ndarray | slice) -> "ImageSet":
        """The images at some rows."""
        indices = np.arange(len(self))[rows]
        return dataclasses.replace(
            self,
            keys=[self.keys[i] for i in indices],
            labels=[self.labels[i] for i in indices],
            statistics=ImageStatistics(*(each[rows] for each in self.statistics)),
            scores=self.scores and PairScores(*(each[rows] for each in self.scores)),
            nearest=[self.nearest[i] for i in indices] if self.nearest else (),
            **{name: getattr(self, name)[rows] for name in _ARRAYS},
        )

    def array(self, name: str) -> np.ndarray:
        """What a Metric with this `array` compares, float32 [N, k]; not for those of pairs."""
        return self.vectors if name == "vector" else getattr(self.statistics, name)


_ARRAYS = ("vectors", "flat", "digests", "views", "distances", "mirrored")


def describe(
    images: Images,
    extract: Extractor,
    extract_views: Extractor | None = None,
    *,
    statistics: bool = True,
) -> ImageSet:
    """Describes images; no number depends on the others that an image is described with.

    Args:
        images: at least one.
        extract: of the feature space of the metrics.
        extract_views: of SEARCH_SPACE, if the nearest training images are to be found.
        statistics: whether to compute the statistics of the pixels.
    """
    pixels = images.pixels
    count = len(pixels)
    with counted(FEATURES, count):
        views = np.empty((count, 1, 0), np.float32)
        if extract_views:
            views = _views(pixels, extract_views)
        vectors = views[:, 0] if extract is extract_views else extract(pixels)
        found = ImageStatistics(
            *(np.empty((count, 0), np.float32) for _ in ImageStatistics._fields)
        )
        if statistics:
            found = statistics_of(pixels)
    return ImageSet(
        list(images.keys),
        list(images.labels),
        vectors,
        (pixels == pixels[:, :1, :1]).all(axis=(1, 2, 3)),
        np.array([hashlib.sha256(image.tobytes()).digest() for image in pixels], "S32"),
        views,
        found,
        images.scores,
        np.full(count, np.nan),
        np.zeros(count, bool),
    )


def row_blocks(rows: Rows, size: int) -> Iterator[tuple[slice, Rows]]:
    """Splits rows into consecutive blocks of at most `size`; yields the slice and rows of each."""
    for start in range(0, len(rows), size):
        where = slice(start, min(start + size, len(rows)))
        yield where, rows[where]


def join(parts: Iterable[ImageSet]) -> ImageSet:
    """Puts images together, at least one part, and sorts them by key."""
    parts = list(parts)
    keys = [key for part in parts for key in part.keys]
    order = sorted(range(len(keys)), key=keys.__getitem__)

    def joined(arrays: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate(list(arrays))[order]

    def columns(tuples: Iterable[tuple[np.ndarray, ...]]) -> Iterable[np.ndarray]:
        return map(joined, zip(*tuples, strict=True))

    labels = [label for part in parts for label in part.labels]
    nearest = [key for part in parts for key in part.nearest]
    return ImageSet(
        keys=[keys[i] for i in order],
        labels=[labels[i] for i in order],
        statistics=ImageStatistics(*columns(part.statistics for part in parts)),
        scores=parts[0].scores and PairScores(*columns(part.scores for part in parts)),
        nearest=[nearest[i] for i in order] if nearest else (),
        **{name: joined(getattr(part, name) for part in parts) for name in _ARRAYS},
    )


def _views(pixels: np.ndarray, extract: Extractor) -> np.ndarray:
    """The vectors of the views of each image, float32 [N, V, D]."""
    found = []
    for _, some in row_blocks(pixels, VIEWED):
        views = search_views(some)
        vectors = extract(np.concatenate(views))
        found.append(vectors.reshape(len(views), len(some), -1).swapaxes(0, 1))
    return np.concatenate(found)


def search_views(images: np.ndarray) -> list[np.ndarray]:
    """The views in which copies of training images are searched.

    They are the images, the same shifted by a pixel in eight directions, and mirrored left to
    right. Borders are repeated where a shift leaves a gap.

    Args:
        images: uint8 [N, H, W, C].

    Returns:
        Arrays shaped as `images`: the images first, the mirrored ones last.
    """
    shifts = SHIFTS if MIN_SHIFTED <= min(images.shape[1:3]) <= MAX_SHIFTED else ()
    return [images, *(_shifted(images, *shift) for shift in shifts), images[:, :, ::-1]]


def _shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    rows = np.arange(images.shape[1]) - down
    columns = np.arange(images.shape[2]) - right
    return images.take(rows, axis=1, mode="clip").take(columns, axis=2, mode="clip")
