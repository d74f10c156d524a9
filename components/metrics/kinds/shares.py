"""The numbers of images of each kind, and which kinds are missing."""

from typing import Literal, NamedTuple

import numpy as np

from components.metrics.arrays import MetricError, check_features

MIN_IMAGES = 100  # training, held-out and generated ones each, or there are no kinds
MAX_TRAINING = 5000  # images that kinds are learned from; more change little
MIN_EXPECTED = 15  # generated images: with fewer, none may be there by chance
MAX_EXAMPLES = 8  # of a missing kind


class Kind(NamedTuple):
    """One kind of image.

    Attributes:
        name: the label of a class, or the number of a missing cluster from 1.
        held_out: number of held-out images.
        expected: number of generated images if their shares are those of the held-out ones.
        estimated: number of generated images; None if that cannot be told.
        missing: whether there are far fewer than expected.
        examples: indices of at most MAX_EXAMPLES held-out images of a missing kind, best first.
    """

    name: str
    held_out: int
    expected: float
    estimated: float | None
    missing: bool
    examples: tuple[int, ...]


class Kinds(NamedTuple):
    """All kinds.

    Attributes:
        by: what kinds are; None if they are not known.
        accuracy: share of the held-out images whose class was recognized, 0 to 1; None for
            clusters.
        kinds: all classes of the training images, or the clusters that are missing.
        unavailable: why they are not known.
        followed: how far the generated images are recognized as the classes that they were asked
            for: 0 as often as by chance, 1 as often as held-out images as theirs; None without
            classes that were asked for, or if held-out images are hardly recognized.
        followed_error: about its standard error, that of how often the classes are recognized.
    """

    by: Literal["class", "cluster"] | None = None
    accuracy: float | None = None
    kinds: tuple[Kind, ...] = ()
    unavailable: str | None = None
    followed: float | None = None
    followed_error: float = 0.0


def check_enough(**arrays: np.ndarray) -> None:
    """Checks that features [N, d], by name, suffice for kinds.

    Raises:
        MetricError: fewer than MIN_IMAGES rows, or what `check_features` rejects.
    """
    for name, array in arrays.items():
        if len(array) < MIN_IMAGES:
            images = f"{name.replace('_', '-')} images"
            raise MetricError(
                f"{len(array)} {images} are too few for kinds: {MIN_IMAGES} are needed"
            )
    check_features(**arrays)
