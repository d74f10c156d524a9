"""What is evaluated: models and images in folders, and how they are judged."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow_transform as tft
from tfx import types

from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions
from trainer import examples


class RealImages(NamedTuple):
    """The real images.

    Attributes:
        examples: folders of their examples by split: train, eval, and holdout if there is one;
            source_eval if a model translates sources that are not paired with images.
        features: folder that `real_features.component.write_features` wrote.
        transform_graph: URI of the TransformGraph artifact.
    """

    examples: Mapping[str, str]
    features: str
    transform_graph: str


class EvaluatedModel(NamedTuple):
    """A model to compare by its samples.

    Attributes:
        uri: names it in what is written.
        sampler: folder of the sampler SavedModel.
    """

    uri: str
    sampler: str


class StoredImages(NamedTuple):
    """Images to compare in place of a model's samples.

    Attributes:
        uri: names them in what is written.
        examples: folder of their examples.
    """

    uri: str
    examples: str


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A candidate to judge, and what it is compared with.

    Attributes:
        real: the real images.
        candidate: is judged.
        options: samples, features, thresholds.
        output: folder for metrics.json, report.html, its pictures and TFMA's results.
        baseline: what the candidate is compared with, in a pipeline the latest blessed model. The
            images of one of two StoredImages are not drawn from the seeds of the other's: where
            metrics take pairs, they are in order of their keys.
        earlier: evaluations of the models blessed before, oldest first.
        folders: where the images are, by what they are, for the report.
        by_teacher: whether the candidate is a student and the baseline its teacher. It is then
            compared with no other models, and rejected by no limit that its teacher misses.
        remarks: sentences about the comparison, which become warnings.
    """

    real: RealImages
    candidate: EvaluatedModel | StoredImages
    options: EvaluateOptions
    output: str
    baseline: EvaluatedModel | StoredImages | None = None
    earlier: Sequence[types.Artifact] = ()
    folders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    by_teacher: bool = False
    remarks: Sequence[str] = ()

    @property
    def compared(self) -> dict[str, EvaluatedModel | StoredImages]:
        """Candidate and baseline, by their names among the sources of images."""
        found = {sources.CANDIDATE: self.candidate, sources.BASELINE: self.baseline}
        return {name: each for name, each in found.items() if each}

    @property
    def shape(self) -> tuple[int, int, int]:
        """H, W, C of the images."""
        return self._shapes[examples.IMAGE]

    @property
    def source_shape(self) -> tuple[int, int, int] | None:
        """H, W, S of the sources that models translate; None if there are none."""
        unpaired = examples.SOURCE_EVAL in self.real.examples
        return self.shape if unpaired else self._shapes.get(examples.SOURCE)

    @functools.cached_property
    def _shapes(self) -> dict[str, tuple[int, int, int]]:
        spec = tft.TFTransformOutput(self.real.transform_graph).transformed_feature_spec()
        return {
            name: tuple(spec[name].shape)
            for name in (examples.IMAGE, examples.SOURCE)
            if name in spec
        }
