"""Finds the most similar looks among many, without comparing each with each.

Looks are compared if they agree in any one of BANDS choices of BAND_BITS bits (locality-sensitive
hashing by bit sampling, Indyk and Motwani 1998). Of looks that differ in MAX_DISTANCE of 144 bits,
98% are found in this way, and more of those that differ less.
"""

from collections.abc import Iterator

import numpy as np

from components.image_example_gen.near_duplicates.look import BITS
from components.image_example_gen.shuffle.rows import LOOK_BYTES

MAX_DISTANCE = 18  # bits in which near-duplicates differ at most; unrelated images differ in 72
BANDS, BAND_BITS = 24, 14
# Candidates with equal bits in a band that are compared: the first ones. It bounds the time where
# very many images have something in common, as drawings on white have.
MAX_IN_BUCKET = 256
_WORDS = -(-LOOK_BYTES // 8)
_NUMBER_BITS = 32
_BLOCK = 8192  # looks that are prepared at a time
_PAIRS = 2**16  # that are compared at a time


class Search:
    """Looks, and the most similar candidate for each of them so far.

    It takes 80 bytes per look.

    Args:
        looks: uint8 [n, LOOK_BYTES], n below 2**32.
    """

    def __init__(self, looks: np.ndarray) -> None:
        self._words = np.empty((_WORDS, len(looks)), np.uint64)
        self._bands = np.empty((BANDS, len(looks)), np.uint16)
        # Distance and number of a candidate, so that the first of equally similar ones is smallest.
        self._best = np.full(len(looks), (BITS + 1) << _NUMBER_BITS, np.uint64)
        random = np.random.RandomState(0)  # whose streams are frozen (NEP 19)
        choices = [random.permutation(BITS)[:BAND_BITS] for _ in range(BANDS)]
        powers = 1 << np.arange(BAND_BITS, dtype=np.uint16)
        for begin in range(0, len(looks), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            padded = np.zeros((len(looks[block]), _WORDS * 8), np.uint8)
            padded[:, :LOOK_BYTES] = looks[block]
            self._words[:, block] = padded.view(np.uint64).T
            bits = np.unpackbits(looks[block], axis=1)
            for band, choice in zip(self._bands, choices, strict=True):
                band[block] = bits[:, choice] @ powers

    def compare(self, images: np.ndarray, candidates: np.ndarray) -> None:
        """Searches for each image the most similar candidate; both are numbers, ascending."""
        for band in self._bands:
            ordered = candidates[np.argsort(band[candidates], kind="stable")]
            sizes = np.bincount(band[candidates], minlength=2**BAND_BITS)
            begins = np.cumsum(sizes) - sizes
            compared = images[sizes[band[images]] > 0]
            counts = np.minimum(sizes[band[compared]], MAX_IN_BUCKET)
            for some in _portions(counts):
                here = compared[some]
                self._compare_each(here, ordered, begins[band[here]], counts[some])

    def compare_one(self, candidate: int, images: slice) -> None:
        """Compares a candidate with each of some images."""
        words = self._words[:, candidate, None]
        self._best[images] = np.minimum(
            self._best[images], _packed(self._words[:, images] ^ words, np.uint64(candidate))
        )

    def has_near(self, image: int) -> bool:
        """Whether a candidate within MAX_DISTANCE of an image was found."""
        return int(self._best[image]) < _NOT_NEAR

    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns of all looks whether a candidate within MAX_DISTANCE was found, and its number.

        Bool [n] and int64 [n]; the numbers of the others are meaningless.
        """
        return self._best < _NOT_NEAR, (self._best & (2**_NUMBER_BITS - 1)).astype(np.int64)

    def _compare_each(
        self, images: np.ndarray, ordered: np.ndarray, starts: np.ndarray, counts: np.ndarray
    ) -> None:
        """Compares each image with the candidates ordered[start : start + count]."""
        first = np.cumsum(counts) - counts  # of the pairs of each image
        places = np.arange(counts.sum()) + np.repeat(starts - first, counts)
        candidates = ordered[places]
        differ = self._words[:, candidates] ^ np.repeat(self._words[:, images], counts, axis=1)
        found = np.minimum.reduceat(_packed(differ, candidates.astype(np.uint64)), first)
        self._best[images] = np.minimum(self._best[images], found)


_NOT_NEAR = (MAX_DISTANCE + 1) << _NUMBER_BITS


def _packed(differ: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Distances from the bits that differ, uint64 [_WORDS, n], with the numbers of candidates."""
    distances = np.bitwise_count(differ).sum(axis=0, dtype=np.uint64)
    return (distances << np.uint64(_NUMBER_BITS)) | numbers


def _portions(counts: np.ndarray) -> Iterator[slice]:
    """Divides images with so many pairs each into portions of about _PAIRS pairs."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _PAIRS, "right")))
        yield slice(begin, end)
        begin = end
