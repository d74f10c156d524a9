"""Kinds of images: which of them the candidate leaves out."""

from collections.abc import Collection
from typing import NamedTuple

from components.images.image_set import ImageSet
from components.metrics.arrays import MetricError
from components.metrics.kinds import Kinds, class_shares
from trainer.common.progress import phase


class FoundKinds(NamedTuple):
    """The kinds, and held-out images of those that are missing.

    Attributes:
        kinds: of the images.
        examples: by missing kind in the order of `kinds`, the keys of held-out images; without the
            kinds that have none, as gaps that only training images show.
    """

    kinds: Kinds
    examples: list[list[bytes]]


def find_kinds(
    training: ImageSet,
    real: ImageSet,
    candidate: ImageSet | None,
    known: Collection[str] = (),
) -> FoundKinds:
    """Finds the kinds of images; those of the samples are estimated from pixels, not requests.

    Args:
        training: images that kinds are learned from.
        real: held-out images.
        candidate: its samples; None if it could not be sampled.
        known: labels of the candidate, which draws samples with any other label without one.
    """
    if candidate is None:
        return FoundKinds(Kinds(unavailable="there are no images of candidate"), [])
    try:
        with phase("kinds of images"):
            kinds = class_shares(
                training.vectors,
                training.labels,
                real.vectors,
                real.labels,
                candidate.vectors,
                [label if label in known else "" for label in candidate.labels],
            )
    except MetricError as error:
        return FoundKinds(Kinds(unavailable=str(error)), [])
    shown = [kind.examples for kind in kinds.kinds if kind.missing and kind.examples]
    return FoundKinds(kinds, [[real.keys[i] for i in examples] for examples in shown])
