"""Decides which images form a group of near-duplicates.

The first image of a group is its leader, and all others look like it. Unlike a chain, in which each
image looks like the next one, such a group cannot grow until it contains everything.

An image that an earlier run has seen keeps its group, so that new images follow old ones. Those of
older spans come before newer ones, and images of a span are in the order of their hashes. So the
result depends neither on names nor on who decodes what.
"""

from dataclasses import dataclass, field

import numpy as np

from components.image_example_gen.near_duplicates.search import Search

_ONE_BY_ONE = 512  # new images that are compared with each of them


def no_hashes() -> np.ndarray:
    """No hashes, uint8 [0, 32]."""
    return np.zeros((0, 32), np.uint8)


@dataclass(frozen=True)
class Earlier:
    """What earlier runs decided.

    Attributes:
        seen: uint64 [n]: the first bytes of the hashes of all images that they compared, sorted.
        followers: uint8 [m, 32]: the hashes of those in the group of another image, sorted.
        groups: uint8 [m, 32]: the groups of the followers.
    """

    seen: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    followers: np.ndarray = field(default_factory=no_hashes)
    groups: np.ndarray = field(default_factory=no_hashes)


@dataclass(frozen=True)
class Looks:
    """Images to compare.

    Attributes:
        sha256: uint8 [n, 32], the hashes of their pixels.
        looks: uint8 [n, LOOK_BYTES].
        spans: integers [n].
    """

    sha256: np.ndarray
    looks: np.ndarray
    spans: np.ndarray


def group(images: Looks, earlier: Earlier) -> np.ndarray:
    """Returns the group of each image: the hash of the leader, uint8 [n, 32].

    Args:
        images: with different hashes.
        earlier: wins over what is found here.
    """
    begins = first_bytes(images.sha256)
    recorded = _find(begins, first_bytes(earlier.followers))
    # Leaders of earlier runs, their followers, and new images.
    seen = _find(begins, earlier.seen) >= 0
    stages = np.where(recorded >= 0, 1, np.where(seen, 0, 2)).astype(np.uint8)
    order = np.lexsort((begins, images.spans, stages))
    ends = np.searchsorted(stages[order], [0, 1], "right")
    follows = order[ends[0] : ends[1]]
    groups_before = earlier.groups[recorded[follows]]
    # The first follower of a leader that is gone leads.
    names, first = np.unique(first_bytes(groups_before), return_index=True)
    gone = _find(names, np.sort(begins[order[: ends[0]]])) < 0
    old = np.concatenate([np.arange(ends[0]), ends[0] + np.sort(first[gone])])
    new = np.arange(ends[1], len(order))
    # The search takes most of the memory, and what is not needed beside it need not be there.
    del begins, recorded, seen, stages

    search = Search(images.looks[order])
    search.compare(new, old)
    leaders = np.zeros(len(order), bool)
    _choose_leaders(search, leaders, ends[1], len(order))
    near, nearest = search.nearest()
    del search
    joins = new[near[new]]
    groups = images.sha256.copy()
    groups[follows] = groups_before
    groups[order[joins]] = groups[order[nearest[joins]]]
    return groups


def near_any(images: Looks, others: Looks) -> np.ndarray:
    """Returns which images look like one of the others, bool [n]."""
    search = Search(np.concatenate([others.looks, images.looks]))
    candidates = np.arange(len(others.looks))
    search.compare(len(candidates) + np.arange(len(images.looks)), candidates)
    return search.nearest()[0][len(candidates) :]


def first_bytes(sha256: np.ndarray) -> np.ndarray:
    """The first 8 bytes of hashes, uint8 [n, 32], as numbers in the same order, uint64 [n]."""
    return np.ascontiguousarray(sha256[:, :8]).view(">u8").ravel().astype(np.uint64)


def _choose_leaders(search: Search, leaders: np.ndarray, begin: int, end: int) -> None:
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


def _find(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Where sorted numbers contain values, int64 [values]; -1 where they do not."""
    if not len(among):
        return np.full(len(values), -1)
    places = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.where(among[places] == values, places, -1)
