"""The images of each source, gathered by Beam: the metrics are derived from them."""

from collections.abc import Iterable
from typing import NamedTuple

import apache_beam as beam
import numpy as np

from components.images.features import NO_SCORES, ImageFeatures
from components.metrics.image_statistics import ImageStatistics
from components.metrics.pair_scores import PairScores

_Gathered = dict[str, list[ImageFeatures]]


class ImageSet(NamedTuple):
    """The images of one source, sorted by key."""

    keys: list[bytes]
    labels: list[str]  # some may be empty
    vectors: np.ndarray  # float32 [N, d], in the feature space of the metrics
    searched: np.ndarray  # float32 [N, D], in that of the distances; D is 0 if there are none
    distances: np.ndarray  # float64 [N], to the nearest training image
    mirrored: np.ndarray  # bool [N], whether that is nearest when mirrored
    flat: int  # images of a single color
    digests: tuple[bytes, ...]  # SHA-256 of the pixels
    statistics: ImageStatistics  # of the pixels
    scores: PairScores = NO_SCORES  # of pairs, empty if the images are no results

    def array(self, name: str) -> np.ndarray:
        """What a Metric with this `array` compares, float32 [N, k]; not for those of pairs."""
        return self.vectors if name == "vector" else getattr(self.statistics, name)


class GatherFeatures(beam.CombineFn):
    """ImageFeatures to {source: ImageSet}; the result does not depend on their order."""

    def create_accumulator(self) -> _Gathered:
        """Starts empty."""
        return {}

    def add_input(self, accumulator: _Gathered, element: ImageFeatures) -> _Gathered:
        """Adds one image."""
        accumulator.setdefault(element.source, []).append(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Gathered]) -> _Gathered:
        """Joins the images of each source."""
        merged: _Gathered = {}
        for accumulator in accumulators:
            for source, images in accumulator.items():
                merged.setdefault(source, []).extend(images)
        return merged

    def extract_output(self, accumulator: _Gathered) -> dict[str, ImageSet]:
        """Sorts the images of each source and stacks their vectors."""
        return {source: _image_set(images) for source, images in accumulator.items()}


def _image_set(images: list[ImageFeatures]) -> ImageSet:
    images = sorted(images, key=lambda image: image.key)
    return ImageSet(
        keys=[image.key for image in images],
        labels=[image.label for image in images],
        vectors=np.stack([image.vector for image in images]),
        searched=np.stack([image.views[0] for image in images]),
        distances=np.array([image.distance for image in images]),
        mirrored=np.array([image.mirrored for image in images]),
        flat=sum(image.flat for image in images),
        digests=tuple(image.digest for image in images),
        statistics=ImageStatistics(
            *map(np.stack, zip(*(image.statistics for image in images), strict=True))
        ),
        scores=PairScores(*map(np.stack, zip(*(image.scores for image in images), strict=True))),
    )
