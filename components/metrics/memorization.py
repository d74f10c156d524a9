"""Memorization: are samples nearer to their training images than new images would be.

Held-out images tell how near a new image comes to the training images; the idea is that of the
data-copying test (Meehan et al. 2020, arXiv 2004.05675).
"""

from typing import NamedTuple

import numpy as np

from components.metrics.arrays import MetricError, check_features
from components.metrics.neighbors import nearest

NEAR_QUANTILE = 0.01  # of the held-out images' distances: nearer than this is a copy
# Of the spread of real features: images at this distance are the same image, in features that are
# not equal to the last bit.
SAME_IMAGE = 1e-4


class Memorization(NamedTuple):
    """How near samples come to training images.

    Attributes:
        distance_ratio: the samples' median distance to their nearest training image over that of
            held-out images; about 1 for a model that has learned the distribution, 0 for copies.
        share: of samples nearer to a training image than all but NEAR_QUANTILE of the held-out
            images, 0 to 1; about NEAR_QUANTILE for a model that has learned the distribution.
    """

    distance_ratio: float
    share: float


def memorization_of(held_out: np.ndarray, generated: np.ndarray, spread: float) -> Memorization:
    """Compares distances to the nearest training image.

    A held-out image that is itself in the training images does not tell how near new ones come,
    and is left out: otherwise a few of these would draw the limit to 0, below which there is no
    copy. A sample at the limit is not below it, so that features with few different distances do
    not fire; an exact copy is below any limit.

    Args:
        held_out: distances of held-out images, float [M].
        generated: distances of samples, float [K].
        spread: of real features, by `spread_of`.

    Raises:
        MetricError: distances are not finite, or fewer than 2 held-out images are new.
    """
    if not (np.isfinite(held_out).all() and np.isfinite(generated).all()):
        raise MetricError("the distances to training images are not all finite")
    reference = held_out[held_out > SAME_IMAGE * spread]
    if len(reference) < 2:
        raise MetricError(
            f"{len(held_out) - len(reference)} of {len(held_out)} held-out images are among the "
            "training images: at least 2 new ones are needed"
        )
    return Memorization(
        distance_ratio=float(np.median(generated) / np.median(reference)),
        share=float((generated < np.quantile(reference, NEAR_QUANTILE)).mean()),
    )


def memorization(train: np.ndarray, held_out: np.ndarray, generated: np.ndarray) -> Memorization:
    """`memorization_of` the distances in three arrays of features.

    Args:
        train: float [N, d], all features that the model was trained on: a copy of an image that is
            missing here is not found.
        held_out: float [M, d].
        generated: float [K, d].

    Raises:
        MetricError: the arrays are too small, of different d, or not finite; or fewer than 2
            held-out images are new.
    """
    check_features(train=train, held_out=held_out, generated=generated)
    return memorization_of(
        nearest(held_out, train).distances,
        nearest(generated, train).distances,
        spread_of(held_out),
    )


def spread_of(features: np.ndarray) -> float:
    """The root mean square distance of features, float [N, d], to their mean."""
    return float(np.sqrt(features.var(axis=0, dtype=np.float64).sum()))
