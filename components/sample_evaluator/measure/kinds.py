"""Kinds of images: which of them the candidate leaves out."""

from collections.abc import Collection
from typing import NamedTuple

from components.images.image_set import ImageSet
from components.metrics.arrays import MetricError
from components.metrics.kinds import Kinds, class_shares
from components.sample_evaluator import sources
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
    training: ImageSet | None,
    real: ImageSet | None,
    candidate: ImageSet | None,
    known: Collection[str] = (),
) -> FoundKinds:
    """Finds the kinds of images; those of the samples are estimated from pixels, not requests.

    Args:
        training: images that kinds are learned from; None without any, as the others.
        real: held-out images.
        candidate: its samples.
        known: labels of the candidate, which draws samples with any other label without one.
    """
    needed = {sources.TRAIN: training, sources.REAL: real, sources.CANDIDATE: candidate}
    for source, images in needed.items():
        if images is None:
            return FoundKinds(Kinds(unavailable=f"there are no images of {source}"), [])
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
