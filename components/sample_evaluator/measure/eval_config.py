"""TFMA's configuration of an evaluation: which metrics of which sources, slices and thresholds."""

import json
from collections.abc import Sequence
from typing import Any

from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from components.metrics import CATALOG, HOLDOUT_METRICS
from components.sample_evaluator import sources
from components.sample_evaluator.measure import tfma_metrics
from components.sample_evaluator.options import EvaluateOptions


def make_eval_config(
    options: EvaluateOptions, baseline: bool, by_label: bool, holdout: bool = False
) -> config_pb2.EvalConfig:
    """Writes the thresholds as TFMA knows them: they judge the candidate, over all its samples.

    Args:
        options: thresholds, and the share of samples that may be copies.
        baseline: whether there are samples of a baseline; without them no change is limited.
        by_label: whether to compute the metrics of each label as well.
        holdout: whether there are images of data.holdout to compare with.
    """
    judged = [sources.CANDIDATE, *([sources.BASELINE] if baseline else [])]
    real = [sources.REAL, *([sources.HOLDOUT] if holdout else [])]
    names = [*CATALOG, *(HOLDOUT_METRICS if holdout else ())]
    compared = [*judged, sources.TRAIN, sources.NOISE]
    slices = [config_pb2.SlicingSpec()]
    if by_label:
        slices.append(config_pb2.SlicingSpec(feature_keys=[tfma_metrics.LABEL]))
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=name, is_baseline=name == sources.BASELINE)
            for name in [*compared, *real]
        ],
        slicing_specs=slices,
        metrics_specs=[
            _specs(compared, [_metric(tfma_metrics.KidSpread)]),
            _specs(compared[1:], [_metric(tfma_metrics.SampleMetric, name=n) for n in names]),
            _specs(judged[1:], [_metric(tfma_metrics.MemorizationMetric)]),
            _specs([*compared, *real], [_metric(tfma_metrics.ImageCounts)]),
            _specs([sources.CANDIDATE], _limited(options, names, baseline)),
        ],
    )


def _specs(models: list[str], metrics: list[config_pb2.MetricConfig]) -> config_pb2.MetricsSpec:
    return config_pb2.MetricsSpec(model_names=models, metrics=metrics)


def _limited(
    options: EvaluateOptions, names: Sequence[str], baseline: bool
) -> list[config_pb2.MetricConfig]:
    thresholds = options.thresholds
    metrics = []
    for name in names:
        limit = thresholds.get(name)
        bounds = _bounds(limit.minimum, limit.maximum) if limit else None
        metrics.append(_metric(tfma_metrics.SampleMetric, bounds, name=name))
    if baseline:
        for name, limit in thresholds.items():
            if limit.max_worsening is not None or options.require_improvement:
                metrics.append(
                    _metric(
                        tfma_metrics.WorseningMetric,
                        _bounds(None, limit.max_worsening),
                        metric=name,
                        name=tfma_metrics.worsening_name(name),
                    )
                )
    copies = _bounds(None, options.max_memorized)
    return [*metrics, _metric(tfma_metrics.MemorizationMetric, copies)]


def _metric(
    kind: type[metric_types.Metric],
    threshold: config_pb2.MetricThreshold | None = None,
    **config: Any,
) -> config_pb2.MetricConfig:
    overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold
    )
    return config_pb2.MetricConfig(
        class_name=kind.__name__,
        module=kind.__module__,
        config=json.dumps(config) if config else "",
        per_slice_thresholds=[overall] if threshold else [],
    )


def _bounds(minimum: float | None, maximum: float | None) -> config_pb2.MetricThreshold | None:
    if minimum is None and maximum is None:
        return None
    result = config_pb2.MetricThreshold()
    if minimum is not None:
        result.value_threshold.lower_bound.value = minimum
    if maximum is not None:
        result.value_threshold.upper_bound.value = maximum
    return result
