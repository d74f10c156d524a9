"""The Beam transforms from features and models to TFMA's results, and the reader of these."""

import base64
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from components.images.features import ExtractFeatures, ImageFeatures
from components.images.take_first import TakeFirst
from components.images.write_grid import WriteGrid
from components.sample_evaluator import names, sources
from components.sample_evaluator.measure import tfma_metrics
from components.sample_evaluator.measure.compared_images import WriteCompared, WriteNearest
from components.sample_evaluator.measure.nearest import FindNearest, ImageId, Nearest
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures.error_by_alpha import WriteErrorByAlpha
from components.sample_evaluator.pictures.nearest_pairs import WriteNearestPairs
from components.sample_evaluator.pictures.trajectories import WriteTrajectories
from components.sample_evaluator.samples.draw import DrawSamples, batch_seeds, draw_noise

Values = dict[str, dict[str, float | str]]


class RealImages(NamedTuple):
    """The real images of a split.

    Attributes:
        features: ImageFeatures, of all training images or of the held-out ones that are compared.
        examples: serialized, all of them.
    """

    features: beam.PCollection
    examples: beam.PCollection


class DescribeSamples(beam.PTransform):
    """Writes the features of all that is compared, and what there is to look at.

    The number of samples is that of the held-out images. A conditional model draws each sample with
    the label of one held-out image: classes come in the data's proportions.
    """

    def __init__(
        self,
        options: EvaluateOptions,
        transform_graph: str,
        shape: tuple[int, int, int],
        models: Mapping[str, str],
        output: str,
        compared: str,
        stored: Mapping[str, beam.PCollection],
    ) -> None:
        """Describes the images.

        Args:
            options: samples, features, seed.
            transform_graph: URI of the TransformGraph artifact.
            shape: H, W, C of the images.
            models: folders of sampler SavedModels by source (candidate, baseline).
            output: folder for the pictures.
            compared: folder for what `Analyze` takes, by `compared_images`.
            stored: ImageBatches by source, of sources that are compared and no models.
        """
        super().__init__()
        self._options = options
        self._transform_graph = transform_graph
        self._shape = shape
        self._models = models
        self._output = output
        self._compared = compared
        self._stored = stored

    def expand(self, real: dict[str, RealImages]) -> Any:
        """From the real images, held out (REAL; also HOLDOUT) and for training (TRAIN)."""
        options = self._options
        training, held_out = real[sources.TRAIN], real[sources.REAL]
        labels = (
            held_out.features
            | "KeyedLabels" >> beam.Map(lambda features: (features.key, features.label))
            | "Gather" >> beam.combiners.ToList()
            | "Labels" >> beam.Map(lambda found: [label for _, label in sorted(found)])
        )
        count = labels | "Count" >> beam.Map(len)
        seeds = (
            labels
            | "Seeds" >> beam.FlatMap(batch_seeds, options.seed, options.batch_size)
            | "SpreadSeeds" >> beam.Reshuffle()
        )
        drawn = {
            source: seeds | f"Sample[{source}]" >> beam.ParDo(DrawSamples(source, model))
            for source, model in self._models.items()
        }
        batches = {**drawn, **self._stored}
        noise = seeds | "Noise" >> beam.Map(draw_noise, sources.NOISE, self._shape)
        features = (
            [*batches.values(), noise]
            | "Batches" >> beam.Flatten()
            | "Features" >> beam.ParDo(ExtractFeatures(options.features))
        )
        compared = held_out.features | "Real" >> beam.Map(lambda found: (sources.REAL, found))
        floor = (
            training.features
            | "Floor" >> TakeFirst(options.samples, key=lambda found: found.key, limit=count)
            | "Train" >> beam.Map(lambda found: (sources.TRAIN, found))
        )
        judged = features | "Judged" >> beam.Filter(lambda pair: pair[0] != sources.NOISE)
        queries = [compared, judged] | "Queries" >> beam.Flatten()
        nearest = training.features | FindNearest(queries)
        if sources.CANDIDATE in batches:
            self._write_pictures(real, batches[sources.CANDIDATE], labels, nearest)
        written = {sources.REAL: compared, sources.TRAIN: floor, "samples": features}
        if sources.HOLDOUT in real:
            written[sources.HOLDOUT] = real[sources.HOLDOUT].features | "Holdout" >> beam.Map(
                lambda found: (sources.HOLDOUT, found)
            )
        # One by one: an in-process runner would keep what it flattens in memory.
        for name, part in written.items():
            _ = part | f"Write[{name}]" >> WriteCompared(self._compared, name)
        return nearest | "WriteNearest" >> WriteNearest(self._compared)

    def _write_pictures(
        self,
        real: dict[str, RealImages],
        samples: beam.PCollection,
        labels: beam.PCollection,
        nearest: beam.PCollection,
    ) -> None:
        seed, output = self._options.seed, self._output
        _ = samples | WriteGrid(sources.CANDIDATE, f"{output}/{names.SAMPLES_PNG}")
        _ = (samples, nearest, real[sources.TRAIN].examples) | WriteNearestPairs(
            self._transform_graph, f"{output}/{names.NEAREST_PAIRS_PNG}"
        )
        if sources.CANDIDATE not in self._models:
            return
        _ = labels | WriteTrajectories(
            self._models[sources.CANDIDATE], seed, f"{output}/{names.TRAJECTORIES_PNG}"
        )
        _ = real[sources.REAL].examples | WriteErrorByAlpha(
            self._models, self._transform_graph, seed, f"{output}/{names.ERROR_BY_ALPHA_JSON}"
        )


class Analyze(beam.PTransform):
    """Computes the metrics of features and writes TFMA's results."""

    def __init__(self, eval_config: config_pb2.EvalConfig, output: str) -> None:
        super().__init__()
        self._eval_config = eval_config
        self._output = output

    def expand(self, pcollections: tuple[beam.PCollection, beam.PCollection]) -> Any:
        """From (source, ImageFeatures) of all sources, and what FindNearest found for some."""
        features, nearest = pcollections
        evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(
            eval_config=self._eval_config
        )
        slices = tfma.extractors.SliceKeyExtractor(eval_config=self._eval_config, materialize=False)
        return (
            features
            # Not a join, which would write down all features once more.
            | "Extracts" >> beam.Map(_make_extracts, beam.pvalue.AsDict(nearest))
            | tfma.ExtractAndEvaluate(extractors=[slices], evaluators=[evaluator])
            | tfma.WriteResults(
                writers=tfma.default_writers(
                    output_path=self._output, eval_config=self._eval_config
                )
            )
        )


def _make_extracts(
    pair: tuple[str, ImageFeatures], nearest: Mapping[ImageId, Nearest]
) -> dict[str, Any]:
    source, features = pair
    found = nearest.get((source, features.key))
    return {
        constants.INPUT_KEY: b"",
        constants.PREDICTIONS_KEY: {source: features.vector},
        constants.FEATURES_KEY: {
            tfma_metrics.KEY: features.key,
            tfma_metrics.FLAT: features.flat,
            tfma_metrics.DIGEST: features.digest,
            tfma_metrics.DISTANCE: found.distance if found else math.nan,
            tfma_metrics.LABEL: np.array([features.label]),
        },
    }


def load_values(output: str) -> Values:
    """Reads the metrics over all images that `Analyze` wrote.

    Returns:
        By source, by metric: the finite value, or the text of an `unavailable_name`.
    """
    return {source: slices.get(None, {}) for source, slices in _load(output).items()}


def load_values_by_label(output: str, source: str) -> Values:
    """Reads the metrics of one source by label, sorted, by metric; empty without labels."""
    slices = _load(output)[source]
    return {label: slices[label] for label in sorted(slices.keys() - {None})}


def _load(output: str) -> dict[str, dict[str | None, dict[str, float | str]]]:
    """Values by source, by label (None: all images), by metric."""
    config = tfma.load_eval_result(output).config
    loaded: dict[str, dict[str | None, dict[str, float | str]]] = {}
    for spec in config.model_specs:
        result = tfma.load_eval_result(output, model_name=spec.name)
        loaded[spec.name] = {
            str(slice_key[0][1]) if slice_key else None: {
                name: parsed
                for name, value in outputs[""][""].items()
                if (parsed := _parse(value)) is not None
            }
            for slice_key, outputs in result.slicing_metrics
        }
    return loaded


def _parse(value: Mapping[str, Any]) -> float | str | None:
    if "bytesValue" in value:
        return base64.b64decode(value["bytesValue"]).decode()
    number = float(value["doubleValue"])
    return number if math.isfinite(number) else None
