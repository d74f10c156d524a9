"""Memorization: whether samples are nearer to training images than new images would be.

Held-out images show how near new images come to the training images, as in the data-copying test
(Meehan et al. 2020, arXiv 2004.05675).
"""

from typing import NamedTuple

import numpy as np

from components.metrics.arrays import MetricError

NEAR_QUANTILE = 0.01  # of the distances of held-out images: nearer samples are copies
# Relative to the spread of real features: images within this distance are the same image, although
# their features may differ in the last bits.
SAME_IMAGE = 1e-4


class Memorization(NamedTuple):
    """How near samples are to training images.

    Attributes:
        distance_ratio: the samples' median distance to their nearest training image over that of
            held-out images; about 1 for a model that has learned the distribution, 0 for copies.
        share: of samples nearer to a training image than all but NEAR_QUANTILE of the held-out
            images, 0 to 1; about NEAR_QUANTILE for a model that has learned the distribution.
        mirrored_share: of these samples, those that are nearer mirrored, 0 to 1; 0 if there are
            none.
    """

    distance_ratio: float
    share: float
    mirrored_share: float = 0.0


def memorization_of(
    held_out: np.ndarray,
    generated: np.ndarray,
    spread: float,
    mirrored: np.ndarray | None = None,
) -> Memorization:
    """Compares distances to the nearest training image.

    Held-out images that are also training images are ignored: they do not show how near new images
    come, and a few of them would lower the limit to 0, below which nothing is a copy. A sample at
    the limit is not a copy, since some feature spaces have few different distances; an exact copy
    is below any limit. If samples are also compared mirrored, held-out images must be as well: more
    comparisons make any image nearer.

    Args:
        held_out: distances of held-out images, float [M].
        generated: distances of samples, float [K].
        spread: of real features, by `spread_of`.
        mirrored: whether each sample is nearest mirrored, bool [K]; none by default.

    Raises:
        MetricError: distances are not finite, or fewer than 2 held-out images are new ones.
    """
    if not (np.isfinite(held_out).all() and np.isfinite(generated).all()):
        raise MetricError("the distances to training images are not all finite")
    reference = held_out[held_out > SAME_IMAGE * spread]
    if len(reference) < 2:
        raise MetricError(
            f"{len(held_out) - len(reference)} of {len(held_out)} held-out images are among the "
            "training images: at least 2 new ones are needed"
        )
    copies = generated < np.quantile(reference, NEAR_QUANTILE)
    return Memorization(
        distance_ratio=float(np.median(generated) / np.median(reference)),
        share=float(copies.mean()),
        mirrored_share=float(mirrored[copies].mean())
        if mirrored is not None and copies.any()
        else 0.0,
    )


def spread_of(features: np.ndarray) -> float:
    """The root mean square distance of features, float [N, d], to their mean."""
    return float(np.sqrt(features.var(axis=0, dtype=np.float64).sum()))
