"""What was measured, as TensorFlow Model Analysis reads it.

The sources of images are TFMA's models. TFMA has one number or text by one name: what belongs to a
metric beside its value has the metric's name and the field's, as `kid_stddev`.
"""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.evaluators.metrics_validator import validate_metrics
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import MEMORIZED_SHARE, Results, SourceResult
from components.sample_evaluator.options import EvaluateOptions

LABEL = "label"  # the feature that TFMA's slices are of
COUNTS = ("images", "flat_images", "distinct_images", "equal_images")
_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


class Measured(metric_types.Metric):
    """A number or text that TFMA does not compute."""

    def __init__(self, name: str) -> None:
        """Names it."""
        super().__init__(lambda **_: [], name=name)


def write_tfma_results(results: Results, options: EvaluateOptions, output: str) -> None:
    """Writes TFMA's configuration, results and validation into the folder of an evaluation.

    Args:
        results: of all sources.
        options: the limits; they apply to the candidate, over all its samples.
        output: the folder.
    """
    config = _eval_config(results, options)
    slices = [((), _by_key(results))]
    for label in results[sources.CANDIDATE].classes:
        of_label = {source: found.classes[label] for source, found in results.items()}
        slices.append((((LABEL, label),), _by_key(of_label)))
    validation = validate_metrics(slices[0], config)
    paths = {key: f"{output}/{key}" for key in (constants.METRICS_KEY, constants.VALIDATIONS_KEY)}
    with beam.Pipeline(_RUNNER) as pipeline:
        # TFMA's type hints know no texts, although its files have them.
        metrics = "Metrics" >> beam.Create(slices).with_output_types(Any)
        evaluation = {
            constants.METRICS_KEY: pipeline | metrics,
            constants.VALIDATIONS_KEY: pipeline | "Validation" >> beam.Create([validation]),
        }
        _ = evaluation | tfma.WriteResults(
            writers=[
                tfma.writers.EvalConfigWriter(output, config),
                tfma.writers.MetricsPlotsAndValidationsWriter(paths, config),
            ]
        )


def _by_key(results: Results) -> metric_types.MetricsDict:
    baseline = _values(results[sources.BASELINE]) if sources.BASELINE in results else {}
    found = {}
    for source, result in results.items():
        for name, value in _values(result).items():
            # example_weighted is None in the keys of thresholds that are listed beside the metrics.
            key = metric_types.MetricKey(name, model_name=source, example_weighted=None)
            found[key] = value
            if source != sources.BASELINE and name in baseline and isinstance(value, float):
                found[key.make_diff_key()] = value - baseline[name]
    return found


def _values(result: SourceResult) -> dict[str, float | str]:
    values: dict[str, float | str] = {name: float(getattr(result, name)) for name in COUNTS}
    for metric, found in result.metrics.items():
        for field, value in dataclasses.asdict(found).items():
            if value is not None:
                values[metric if field == "value" else f"{metric}_{field}"] = value
    return values


def _eval_config(results: Results, options: EvaluateOptions) -> config_pb2.EvalConfig:
    config = config_pb2.EvalConfig(slicing_specs=[config_pb2.SlicingSpec()])
    if results[sources.CANDIDATE].classes:
        config.slicing_specs.add(feature_keys=[LABEL])
    for source, result in results.items():
        config.model_specs.add(name=source, is_baseline=source == sources.BASELINE)
        spec = config.metrics_specs.add(model_names=[source])
        for name in _values(result):
            settings = json.dumps({"name": name})
            spec.metrics.add(
                class_name=Measured.__name__, module=Measured.__module__, config=settings
            )
        if source == sources.CANDIDATE:
            for name, threshold in _thresholds(options, sources.BASELINE in results):
                spec.per_slice_thresholds[name].thresholds.add(
                    slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold
                )
    return config


def _thresholds(
    options: EvaluateOptions, baseline: bool
) -> Iterator[tuple[str, config_pb2.MetricThreshold]]:
    for name, limit in options.judged.items():
        yield name, _bounds(limit.minimum, limit.maximum)
        if limit.max_place is not None:
            yield f"{name}_proven_place", _bounds(None, limit.max_place)
        if baseline and limit.max_worsening is not None:
            yield f"{name}_worsening", _bounds(None, limit.max_worsening)
    yield MEMORIZED_SHARE, _bounds(None, options.max_memorized)


def _bounds(minimum: float | None, maximum: float | None) -> config_pb2.MetricThreshold:
    result = config_pb2.MetricThreshold()
    if minimum is not None:
        result.value_threshold.lower_bound.value = minimum
    if maximum is not None:
        result.value_threshold.upper_bound.value = maximum
    return result
