"""Finds the training image nearest to each image, in SEARCH_SPACE.

A copy may be mirrored: an image is as near as the nearer of its views.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from components.images.image_set import ImageSet
from components.metrics.neighbors import nearest
from components.progress import NEAREST, counted


class _Found(NamedTuple):
    """The nearest training images so far, in the order of the images."""

    distances: np.ndarray  # float64 [N]
    mirrored: np.ndarray  # bool [N], whether the mirror image is nearest
    keys: np.ndarray  # object [N], bytes


def find_nearest(sets: Mapping[str, ImageSet], training: Iterable[ImageSet]) -> dict[str, ImageSet]:
    """Compares images with all training images, of which only a block at a time is in memory.

    If several training images are equally near, the nearest is one that the image itself is near
    to, so that symmetric images are not mirrored, and of these that with the smallest key.

    Args:
        sets: images with their views.
        training: blocks of training images in SEARCH_SPACE, each sorted by key.

    Returns:
        The images with what was found, and of their views the first; as they are without training
        images.
    """
    found: dict[str, _Found] = {}
    for block in training:
        keys = np.array(block.keys, object)
        with counted(NEAREST, len(block)):
            for name, images in sets.items():
                views = range(images.views.shape[1])
                compared = [_compare(images.views, view, block.vectors, keys) for view in views]
                before = [found[name]] if name in found else []
                found[name] = functools.reduce(_nearer, before + compared)
    return {
        name: dataclasses.replace(
            images,
            views=images.views[:, :1].copy(),
            distances=found[name].distances,
            mirrored=found[name].mirrored,
            nearest=found[name].keys.tolist(),
        )
        if name in found
        else images
        for name, images in sets.items()
    }


def _compare(views: np.ndarray, view: int, reference: np.ndarray, keys: np.ndarray) -> _Found:
    """Compares one view of all images: in memory, there is never a second copy of all views."""
    found = nearest(np.ascontiguousarray(views[:, view]), reference)
    is_mirrored = view == views.shape[1] - 1
    return _Found(found.distances, np.full(len(views), is_mirrored), keys[found.indices])


def _nearer(one: _Found, other: _Found) -> _Found:
    keep = (one.distances < other.distances) | (
        (one.distances == other.distances)
        & (
            (one.mirrored < other.mirrored)
            | ((one.mirrored == other.mirrored) & (one.keys < other.keys))
        )
    )
    return _Found(*(np.where(keep, *pair) for pair in zip(one, other, strict=True)))
