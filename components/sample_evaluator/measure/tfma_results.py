"""What was measured, as TensorFlow Model Analysis reads it.

The sources of images are TFMA's models. TFMA has one number or text by one name: what belongs to a
metric beside its value has the metric's name and the field's, as `kid_stddev`.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import MEMORIZED_SHARE, Results, SourceResult
from components.sample_evaluator.options import EvaluateOptions

LABEL = "label"  # the feature of TFMA's extracts that slices by label refer to
COUNTS = ("images", "flat_images", "distinct_images", "equal_images")
_MEASURED = "measured"  # the key in an extract of what was measured, by source and name
_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"

_Values = dict[str, float | str]  # by name


def write_tfma_results(results: Results, options: EvaluateOptions, output: str) -> None:
    """Writes TFMA's configuration, results and validation into the folder of an evaluation.

    Args:
        results: of all sources.
        options: the limits; they apply to the candidate, over all its samples.
        output: the folder.
    """
    config = _eval_config(results, options)
    extracts = [_extract(results, results)]
    for label in results[sources.CANDIDATE].classes:
        of_label = {source: found.classes[label] for source, found in results.items()}
        extracts.append(_extract(results, of_label, label))
    slices = tfma.extractors.SliceKeyExtractor(eval_config=config, materialize=False)
    # tfma.evaluators.default_evaluators refuses limits of a change without a baseline.
    evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(eval_config=config)
    paths = {key: f"{output}/{key}" for key in (constants.METRICS_KEY, constants.VALIDATIONS_KEY)}
    with beam.Pipeline(_RUNNER) as pipeline:
        _ = (
            pipeline
            | beam.Create(extracts, reshuffle=False)
            | slices.stage_name >> slices.ptransform
            | evaluator.stage_name >> evaluator.ptransform
            | tfma.WriteResults(
                writers=[
                    tfma.writers.EvalConfigWriter(output, config),
                    tfma.writers.MetricsPlotsAndValidationsWriter(paths, config),
                ]
            )
        )


def _extract(results: Results, found: Results, label: str | None = None) -> dict[str, Any]:
    """What TFMA takes of all images, or of those with one label."""
    measured = {source: dict.fromkeys(_names(results[source]), float("nan")) for source in results}
    for source, result in found.items():
        measured[source] |= _values(result)
    features = {} if label is None else {LABEL: np.array([label])}
    return {
        constants.INPUT_KEY: b"",
        constants.FEATURES_KEY: features,
        _MEASURED: (label is not None, measured),
    }


def _names(result: SourceResult) -> list[str]:
    """The names of all that is known of a source, over all images or by label."""
    parts = (result, *result.classes.values())
    return list(dict.fromkeys(name for part in parts for name in _values(part)))


def _values(result: SourceResult) -> _Values:
    values: _Values = {name: float(getattr(result, name)) for name in COUNTS}
    for metric, found in result.metrics.items():
        for field, value in dataclasses.asdict(found).items():
            if value is not None:
                values[metric if field == "value" else f"{metric}_{field}"] = value
    return values


class Measured(metric_types.Metric):
    """What was measured of one source."""

    def __init__(self, name: str, others: list[str]) -> None:
        """Describes the numbers and texts.

        Args:
            name: of the first one.
            others: names of the others.
        """
        computations = metric_util.merge_per_key_computations(_computations)
        super().__init__(computations, name=name, others=others)


metric_types.register_metric(Measured)


def _computations(name: str, others: list[str], model_name: str) -> metric_types.MetricComputations:
    # example_weighted is None in the keys of thresholds that are listed beside the metrics.
    key = metric_types.MetricKey(name, model_name=model_name, example_weighted=None)
    keys = [key, *(key._replace(name=other) for other in others)]
    return [metric_types.MetricComputation(keys, [_ReadMeasured()], _OfSlice(keys))]


class _ReadMeasured(metric_types.Preprocessor):
    """An extract to what was measured, with whether it is that of one label."""

    def process(self, extracts: dict[str, Any]) -> Iterator[Any]:
        yield extracts[_MEASURED]


class _OfSlice(beam.CombineFn):
    """Takes what was measured of all images; in a slice by label, there is that of one alone."""

    def __init__(self, keys: list[metric_types.MetricKey]) -> None:
        self._keys = keys

    def create_accumulator(self) -> list[Any]:
        return []

    def add_input(self, accumulator: list[Any], element: Any) -> list[Any]:
        return [*accumulator, element]

    def merge_accumulators(self, accumulators: Iterable[list[Any]]) -> list[Any]:
        return [element for accumulator in accumulators for element in accumulator]

    def extract_output(self, accumulator: list[Any]) -> metric_types.MetricsDict:
        _, measured = min(accumulator, key=lambda element: element[0])
        return {key: measured[key.model_name][key.name] for key in self._keys}


def _eval_config(results: Results, options: EvaluateOptions) -> config_pb2.EvalConfig:
    slices = [config_pb2.SlicingSpec()]
    if results[sources.CANDIDATE].classes:
        slices.append(config_pb2.SlicingSpec(feature_keys=[LABEL]))
    names = {source: _names(result) for source, result in results.items()}
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=source, is_baseline=source == sources.BASELINE)
            for source in results
        ],
        slicing_specs=slices,
        metrics_specs=[
            config_pb2.MetricsSpec(
                model_names=[source],
                metrics=[
                    config_pb2.MetricConfig(
                        class_name=Measured.__name__,
                        module=Measured.__module__,
                        config=json.dumps({"name": first, "others": others}),
                    )
                ],
            )
            for source, (first, *others) in names.items()
        ],
    )
    [of_candidate] = (s for s in config.metrics_specs if s.model_names == [sources.CANDIDATE])
    for name, threshold in _thresholds(options, sources.BASELINE in results):
        of_candidate.per_slice_thresholds[name].thresholds.add(
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
