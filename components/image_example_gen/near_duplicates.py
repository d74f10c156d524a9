"""Finds images that look nearly alike, so that train and eval do not share them.

How an image looks is its perceptual hash, ImageHash's `phash`: which of the lowest 12 x 12
frequencies of the gray image are above their median. So colors count little, and brightness and
contrast do not.

Looks are compared if they agree in any one of BANDS choices of BAND_BITS bits (locality-sensitive
hashing by bit sampling, Indyk and Motwani 1998). Of looks that differ in MAX_DISTANCE of 144 bits,
98% are found in this way, and more of those that differ less.

The first image of a group is its leader, and all others look like it. Unlike a chain, in which each
image looks like the next one, such a group cannot grow until it contains everything. An image that
the run before has seen keeps its group, so that new images follow old ones. Those of older spans
come before newer ones, and images of a span are in the order of their hashes. So the result depends
neither on names nor on who decodes what.
"""

from collections.abc import Iterator

import imagehash
import numpy as np
from PIL import Image

FREQUENCIES = 12  # a side
BITS = FREQUENCIES**2
LOOK_BYTES = BITS // 8
MIN_SIDE = 16  # pixels; smaller images have too few frequencies to tell them apart
MIN_STDDEV = 2  # of 255 levels; flatter images differ by nothing but noise
MAX_DISTANCE = 18  # bits in which near-duplicates differ at most; unrelated images differ in 72
BANDS, BAND_BITS = 24, 14
# Candidates with equal bits in a band that are compared: the first ones. It bounds the time where
# very many images have something in common, as drawings on white have.
MAX_IN_BUCKET = 256
_WORDS = -(-LOOK_BYTES // 8)
_NUMBER_BITS = 32
_NOT_NEAR = (MAX_DISTANCE + 1) << _NUMBER_BITS
_BLOCK = 8192  # looks that are prepared at a time
_PAIRS = 2**16  # that are compared at a time
_ONE_BY_ONE = 512  # new images that are compared with each of them


def look_of(pixels: np.ndarray) -> bytes | None:
    """Returns the perceptual hash of an image.

    Args:
        pixels: uint8 [height, width, 1 or 3].

    Returns:
        LOOK_BYTES bytes; None of an image that is too small or too flat to be compared.
    """
    channels = pixels.shape[2]
    gray = Image.fromarray(pixels.squeeze(axis=2) if channels == 1 else pixels).convert("L")
    if min(gray.size) < MIN_SIDE or np.std(gray) < MIN_STDDEV:
        return None
    return np.packbits(imagehash.phash(gray, FREQUENCIES).hash).tobytes()


class _Search:
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


def group(looks: np.ndarray, spans: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Returns the group of each image: the number of its leader, or of one that is gone; int32 [n].

    Args:
        looks: of different images, in the order of their hashes, uint8 [n, LOOK_BYTES].
        spans: of these, integers [n].
        before: their groups in the run before, which they keep, int32 [n]: its own number for a
            leader, n or more where the leader is gone, and -1 for a new image.
    """
    groups = np.arange(len(looks), dtype=np.int32)
    # Leaders of the run before, their followers, and new images.
    stages = np.where(before < 0, 2, before != groups).astype(np.int8)
    order = np.lexsort((spans, stages))
    ends = np.searchsorted(stages[order], [0, 1], "right")
    follows = order[ends[0] : ends[1]]
    # The first follower of a leader that is gone leads.
    leaders, first = np.unique(before[follows], return_index=True)
    gone = ~np.isin(leaders, order[: ends[0]])
    old = np.concatenate([np.arange(ends[0]), ends[0] + np.sort(first[gone])])
    new = np.arange(ends[1], len(order))

    search = _Search(looks[order])
    search.compare(new, old)
    _choose_leaders(search, np.zeros(len(order), bool), ends[1], len(order))
    near, nearest = search.nearest()
    joins = new[near[new]]
    groups[follows] = before[follows]
    groups[order[joins]] = groups[order[nearest[joins]]]
    return groups


def near_any(looks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns which looks are near one of the others, bool [n]; both uint8 [n, LOOK_BYTES]."""
    search = _Search(np.concatenate([others, looks]))
    search.compare(len(others) + np.arange(len(looks)), np.arange(len(others)))
    return search.nearest()[0][len(others) :]


def _choose_leaders(search: _Search, leaders: np.ndarray, begin: int, end: int) -> None:
    """Marks those new images as leaders that look like no leader before them."""
    if end - begin <= _ONE_BY_ONE:
        for image in range(begin, end):
            if not search.has_near(image):
                leaders[image] = True
                search.compare_one(image, slice(image + 1, end))
        return
    middle = (begin + end) // 2
    _choose_leaders(search, leaders, begin, middle)
    search.compare(np.arange(middle, end), begin + np.flatnonzero(leaders[begin:middle]))
    _choose_leaders(search, leaders, middle, end)


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
