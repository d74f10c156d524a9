"""Described images, from what a test is about."""

import numpy as np

from components.images.image_set import ImageSet
from components.metrics.image_statistics import ImageStatistics


def image_set(vectors, **fields):
    """Describes images by their vectors, float [N, d]; the keys are in the order of the rows."""
    vectors = np.asarray(vectors, np.float32)
    count = len(vectors)
    keys = [number.to_bytes(2, "big") for number in range(count)]
    defaults = {
        "keys": keys,
        "labels": [""] * count,
        "flat": np.zeros(count, bool),
        "digests": np.array([b"%d" % number for number in range(count)], "S32"),
        "views": np.zeros((count, 1, 0), np.float32),
        "statistics": ImageStatistics(*[np.zeros((count, 0))] * len(ImageStatistics._fields)),
        "scores": None,
        "distances": np.full(count, np.nan),
        "mirrored": np.zeros(count, bool),
    }
    return ImageSet(vectors=vectors, **defaults | fields)
