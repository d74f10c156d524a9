"""How much the answers of a model to one source differ, in a Beam step beside TFMA's metrics."""

import contextlib
import json

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from components.features.options import FeatureOptions
from components.images.features import shared_extractor
from components.metrics.arrays import MetricError
from components.metrics.pair_scores import diversity, pixel_diversity
from components.sample_evaluator import names
from components.sample_evaluator.samples.translations import Answers


class MeasureAnswers(beam.DoFn):
    """Answers to a file in the folder of an evaluation; writes nothing for one answer."""

    def __init__(self, features: FeatureOptions, output: str) -> None:
        """Describes the file.

        Args:
            features: the feature space.
            output: folder of the evaluation.
        """
        self._features, self._output = features, output

    def setup(self) -> None:
        """Loads the feature space, once per process."""
        self._extract = shared_extractor(self._features)

    def process(self, answers: Answers) -> None:
        """Writes the file."""
        images, count = answers.results.shape[:2]
        if count < 2:
            return
        in_features = None
        if answers.images is not None:
            with contextlib.suppress(MetricError):  # all held-out images are equal
                vectors = self._extract(answers.results.reshape(-1, *answers.results.shape[2:]))
                in_features = diversity(
                    vectors.reshape(images, count, -1), self._extract(answers.images)
                )
        found = {
            "sources": images,
            "answers": count,
            "diversity": in_features,
            "pixel_diversity": pixel_diversity(answers.results),
        }
        with FileSystems.create(f"{self._output}/{names.ANSWERS_JSON}", "application/json") as file:
            file.write(json.dumps(found).encode())
