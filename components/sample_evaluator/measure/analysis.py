"""The Beam transform from features to TFMA's results."""

from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from components.images.features import ImageFeatures
from components.sample_evaluator.measure.eval_config import LABEL
from components.sample_evaluator.measure.tfma_metrics import IMAGE


class Analyze(beam.PTransform):
    """Computes the metrics of features and writes TFMA's results."""

    def __init__(self, eval_config: config_pb2.EvalConfig, output: str) -> None:
        super().__init__()
        self._eval_config = eval_config
        self._output = output

    def expand(self, features: beam.PCollection) -> Any:
        """From the ImageFeatures of all sources."""
        config, output = self._eval_config, self._output
        slices = tfma.extractors.SliceKeyExtractor(eval_config=config, materialize=False)
        evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(eval_config=config)
        # There are no plots nor attributions; tfma.ExtractAndEvaluate also counts bytes.
        paths = {
            key: f"{output}/{key}" for key in (constants.METRICS_KEY, constants.VALIDATIONS_KEY)
        }
        return (
            features
            | "Extracts" >> beam.Map(make_extracts)
            | slices.stage_name >> slices.ptransform
            | evaluator.stage_name >> evaluator.ptransform
            | tfma.WriteResults(
                writers=[
                    tfma.writers.EvalConfigWriter(output, config),
                    tfma.writers.MetricsPlotsAndValidationsWriter(paths, config),
                ]
            )
        )


def make_extracts(image: ImageFeatures) -> dict[str, Any]:
    """What TFMA takes of one image."""
    return {
        constants.INPUT_KEY: b"",
        constants.FEATURES_KEY: {LABEL: np.array([image.label])},
        IMAGE: image,
    }
