"""The Beam pipeline from examples and models to TFMA's results, and the reader of these."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.sample_evaluator import images, sources, tfma_metrics
from components.sample_evaluator.error_by_alpha import WriteErrorByAlpha
from components.sample_evaluator.metrics import CATALOG
from components.sample_evaluator.nearest_pairs import FeatureVector, WriteNearestPairs
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.trajectories import WriteTrajectories

SAMPLES_PNG = "samples.png"
REAL_PNG = "real.png"
NEAREST_PAIRS_PNG = "nearest_pairs.png"
TRAJECTORIES_PNG = "trajectories.png"
ERROR_BY_ALPHA_JSON = "error_by_alpha.json"


def make_eval_config(thresholds: Mapping[str, Threshold], baseline: bool) -> config_pb2.EvalConfig:
    """Writes the thresholds as TFMA knows them: they judge the candidate alone.

    Args:
        thresholds: by metric name.
        baseline: whether there are samples of a baseline; without them no change is limited.
    """
    judged = [sources.CANDIDATE, *([sources.BASELINE] if baseline else [])]
    references = [sources.TRAIN, sources.NOISE]
    counts = config_pb2.MetricConfig(
        class_name=tfma_metrics.ImageCounts.__name__, module=tfma_metrics.__name__
    )
    specs = [
        config_pb2.ModelSpec(name=name, is_baseline=name == sources.BASELINE)
        for name in [*judged, *references, sources.REAL]
    ]
    return config_pb2.EvalConfig(
        model_specs=specs,
        slicing_specs=[config_pb2.SlicingSpec()],
        metrics_specs=[
            config_pb2.MetricsSpec(
                model_names=judged,
                metrics=[
                    _metric_config(name, _tfma_threshold(thresholds.get(name), baseline))
                    for name in CATALOG
                ],
            ),
            config_pb2.MetricsSpec(
                model_names=references, metrics=[_metric_config(name) for name in CATALOG]
            ),
            config_pb2.MetricsSpec(model_names=[spec.name for spec in specs], metrics=[counts]),
        ],
    )


def _metric_config(
    name: str, threshold: config_pb2.MetricThreshold | None = None
) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(
        class_name=tfma_metrics.SampleMetric.__name__,
        module=tfma_metrics.__name__,
        config=json.dumps({"name": name}),
        threshold=threshold,
    )


def _tfma_threshold(
    threshold: Threshold | None, baseline: bool
) -> config_pb2.MetricThreshold | None:
    if threshold is None:
        return None
    result = config_pb2.MetricThreshold()
    if threshold.maximum is not None:
        result.value_threshold.upper_bound.value = threshold.maximum
    if threshold.max_increase is not None and baseline:
        result.change_threshold.absolute.value = threshold.max_increase
        result.change_threshold.direction = config_pb2.MetricDirection.LOWER_IS_BETTER
    return result


class EvaluateSamples(beam.PTransform):
    """Compares samples with held-out images; writes TFMA's results and two grids of images.

    The number of samples is that of the held-out images, at most `options.samples`. A conditional
    model draws each sample with the label of one held-out image: classes come in the data's
    proportions.
    """

    def __init__(
        self,
        options: EvaluateOptions,
        eval_files: Sequence[str],
        train_files: Sequence[str],
        transform_graph: str,
        shape: tuple[int, int, int],
        models: Mapping[str, str],
        output: str,
    ) -> None:
        """Describes the comparison.

        Args:
            options: samples, features, thresholds.
            eval_files: file patterns of the held-out examples, TFRecord.
            train_files: file patterns of the training examples.
            transform_graph: URI of the TransformGraph artifact.
            shape: H, W, C of the images.
            models: folders of sampler SavedModels by source (candidate, baseline).
            output: folder for the results.
        """
        super().__init__()
        self._options = options
        self._files = {sources.REAL: eval_files, sources.TRAIN: train_files}
        self._transform_graph = transform_graph
        self._shape = shape
        self._models = models
        self._output = output

    def expand(self, root: beam.Pipeline) -> Any:
        """Applied to a pipeline."""
        batch_size, seed = self._options.batch_size, self._options.seed
        records = {
            source: root | f"Read[{source}]" >> _ReadRecords(files, self._options.samples)
            for source, files in self._files.items()
        }
        count = beam.pvalue.AsSingleton(records[sources.REAL] | "CountReal" >> beam.Map(len))
        label_list = records[sources.REAL] | "Labels" >> beam.Map(images.read_labels)
        labels = beam.pvalue.AsSingleton(label_list)
        seeds = (
            root
            | "Start" >> beam.Create([seed])
            | "Seeds"
            >> beam.FlatMap(
                lambda first, n: images.batches(list(range(first, first + n)), batch_size), count
            )
            | "SpreadSeeds" >> beam.Reshuffle()
        )
        spread = {
            source: found
            | f"Batch[{source}]"
            >> beam.FlatMap(lambda items, n: images.batches(items, batch_size, n), count)
            | f"Spread[{source}]" >> beam.Reshuffle()
            for source, found in records.items()
        }
        decoded = {
            source: found
            | f"Decode[{source}]" >> beam.ParDo(images.DecodeRecords(source, self._transform_graph))
            for source, found in spread.items()
        }
        drawn = {
            source: seeds
            | f"Sample[{source}]" >> beam.ParDo(images.DrawSamples(source, model), labels)
            for source, model in self._models.items()
        }
        noise = seeds | "Noise" >> beam.Map(images.draw_noise, sources.NOISE, self._shape)
        batches = [*decoded.values(), *drawn.values(), noise] | "AllImages" >> beam.Flatten()
        extracts = batches | "Features" >> beam.ParDo(
            images.ExtractFeatures(self._options.features)
        )

        _ = batches | "SampleGrid" >> images.WriteGrid(
            sources.CANDIDATE, f"{self._output}/{SAMPLES_PNG}"
        )
        _ = batches | "RealGrid" >> images.WriteGrid(sources.REAL, f"{self._output}/{REAL_PNG}")
        if sources.CANDIDATE in self._models:
            _ = label_list | WriteTrajectories(
                self._models[sources.CANDIDATE], seed, f"{self._output}/{TRAJECTORIES_PNG}"
            )
            _ = {
                "features": extracts | "FeatureVectors" >> beam.Map(_feature_vector),
                "samples": drawn[sources.CANDIDATE],
                "records": spread[sources.TRAIN],
            } | WriteNearestPairs(self._transform_graph, f"{self._output}/{NEAREST_PAIRS_PNG}")
            _ = {"images": decoded[sources.REAL], "labels": label_list} | WriteErrorByAlpha(
                self._models, seed, f"{self._output}/{ERROR_BY_ALPHA_JSON}"
            )
        return extracts | "Analyze" >> Analyze(
            make_eval_config(self._options.thresholds, sources.BASELINE in self._models),
            self._output,
        )


def _feature_vector(extract: dict[str, Any]) -> FeatureVector:
    [(source, vector)] = extract[tfma.PREDICTIONS_KEY].items()
    return FeatureVector(source, extract[tfma.FEATURES_KEY]["index"], vector)


class _ReadRecords(beam.PTransform):
    """The first `count` examples by hash of several file patterns, as one list."""

    def __init__(self, patterns: Sequence[str], count: int) -> None:
        super().__init__()
        self._patterns = patterns
        self._count = count

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        return (
            [
                root | f"File[{i}]" >> beam.io.ReadFromTFRecord(pattern)
                for i, pattern in enumerate(self._patterns)
            ]
            | beam.Flatten()
            | images.SelectRecords(self._count)
        )


class Analyze(beam.PTransform):
    """Computes the metrics of `images.ExtractFeatures`' extracts and writes TFMA's results."""

    def __init__(self, eval_config: config_pb2.EvalConfig, output: str) -> None:
        super().__init__()
        self._eval_config = eval_config
        self._output = output

    def expand(self, extracts: beam.PCollection) -> Any:
        """From extracts to files in the folder `output`."""
        evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(
            eval_config=self._eval_config
        )
        slices = tfma.extractors.SliceKeyExtractor(eval_config=self._eval_config, materialize=False)
        return (
            extracts
            | tfma.ExtractAndEvaluate(extractors=[slices], evaluators=[evaluator])
            | tfma.WriteResults(
                writers=tfma.default_writers(
                    output_path=self._output, eval_config=self._eval_config
                )
            )
        )


def load_values(output: str) -> dict[str, dict[str, float | str]]:
    """Reads what `Analyze` wrote.

    Returns:
        By source, by metric: the finite value, or the text of an `unavailable_name`.
    """
    values: dict[str, dict[str, float | str]] = {}
    config = tfma.load_eval_result(output).config
    for spec in config.model_specs:
        result = tfma.load_eval_result(output, model_name=spec.name)
        values[spec.name] = {
            name: parsed
            for _, outputs in result.slicing_metrics
            for name, value in outputs[""][""].items()
            if (parsed := _parse(value)) is not None
        }
    return values


def _parse(value: Mapping[str, Any]) -> float | str | None:
    if "bytesValue" in value:
        return base64.b64decode(value["bytesValue"]).decode()
    number = float(value["doubleValue"])
    return number if math.isfinite(number) else None
