"""TFMA's configuration of an evaluation: metrics of each source, slices and thresholds."""

import json
from collections.abc import Iterator

from tensorflow_model_analysis.proto import config_pb2

from components.metrics import CATALOG, HOLDOUT_METRICS, HOLDOUT_PAIR_METRICS, PAIR_METRICS
from components.metrics.fidelity_and_diversity import FidelityAndDiversity
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import (
    COUNTS,
    DISTANCE_RATIO,
    MEMORIZED_SHARE,
    MIRRORED_SHARE,
    tfma_name,
)
from components.sample_evaluator.measure.tfma_metrics import SampleMetric
from components.sample_evaluator.options import EvaluateOptions

LABEL = "label"  # the feature of TFMA's extracts that slices by label refer to


def make_eval_config(
    options: EvaluateOptions,
    baseline: bool,
    by_label: bool,
    holdout: bool = False,
    translates: bool = False,
    pairs: bool = False,
) -> config_pb2.EvalConfig:
    """Translates the thresholds for TFMA: they apply to the candidate, over all its samples.

    Args:
        options: thresholds, and the share of samples that may be copies.
        baseline: whether there are samples of a baseline; without them no change is limited.
        by_label: whether to compute the metrics of each label as well, their values alone; there
            are images of several.
        holdout: whether there are images of data.holdout to compare with.
        translates: whether samples are results for sources.
        pairs: whether these are the sources of held-out images.
    """
    judged = [sources.CANDIDATE, *([sources.BASELINE] if baseline else [])]
    real = [sources.REAL, *([sources.HOLDOUT] if holdout else [])]
    compared = [*judged, sources.TRAIN, sources.NOISE]
    shown = [sources.SOURCE] if translates else []
    beside = [
        name
        for name in (sources.BESIDE_RESULTS if translates else ())
        if pairs or name != sources.OTHER
    ]
    slices = [config_pb2.SlicingSpec()]
    if by_label:
        slices.append(config_pb2.SlicingSpec(feature_keys=[LABEL]))
    candidate_only = [
        _metric("kid_stddev", tfma_name("kid", "stddev"), of_whole=by_label),
        *(
            _metric(
                "place",
                *(tfma_name(name, f) for f in ("proven_place", "place_margin")),
                metric=name,
                of_whole=by_label,
            )
            for name, limit in options.judged.items()
            if limit.max_place is not None
        ),
    ]
    if baseline:
        candidate_only += [
            _metric(
                "worsening",
                *(tfma_name(name, f) for f in ("worsening", "margin")),
                metric=name,
                of_whole=by_label,
            )
            for name, limit in options.judged.items()
            if limit.max_worsening is not None
        ]
    specs = [
        ([sources.CANDIDATE], candidate_only),
        ([*compared, *shown], list(_comparisons(holdout))),
        (judged, [_metric("memorization", MEMORIZED_SHARE, DISTANCE_RATIO, MIRRORED_SHARE)]),
        ([*compared, *real, *beside], [_metric("counts", *COUNTS)]),
    ]
    if pairs:
        scores = [_metric("value", name, metric=name) for name in PAIR_METRICS]
        specs.append(([*judged, *beside], scores))
    if pairs and holdout:
        scores = [_metric("value", name, metric=name) for name in HOLDOUT_PAIR_METRICS]
        specs.append(([*judged, *shown], scores))
    if translates:
        # They are fewer than the results, on which the expected value of KID does not depend.
        specs.append(
            ([sources.ANSWER, sources.MEAN_ANSWER], [_metric("value", "kid", metric="kid")])
        )
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=name, is_baseline=name == sources.BASELINE)
            for name in [*compared, *real, *beside]
        ],
        slicing_specs=slices,
        metrics_specs=[
            config_pb2.MetricsSpec(model_names=names, metrics=metrics) for names, metrics in specs
        ],
    )
    for name, threshold in _thresholds(options, baseline):
        config.metrics_specs[0].per_slice_thresholds[name].thresholds.add(
            slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold
        )
    return config


def _comparisons(holdout: bool) -> Iterator[config_pb2.MetricConfig]:
    for name in (*CATALOG, *(HOLDOUT_METRICS if holdout else ())):
        if name not in FidelityAndDiversity._fields:
            yield _metric("value", name, metric=name)
    yield _metric("fidelity_and_diversity", *FidelityAndDiversity._fields)


def _metric(
    function: str, name: str, *others: str, metric: str = "", of_whole: bool = False
) -> config_pb2.MetricConfig:
    config = {"name": name, "function": function, "others": others, "metric": metric}
    config["of_whole"] = of_whole
    return config_pb2.MetricConfig(
        class_name=SampleMetric.__name__,
        module=SampleMetric.__module__,
        config=json.dumps(config),
    )


def _thresholds(
    options: EvaluateOptions, baseline: bool
) -> Iterator[tuple[str, config_pb2.MetricThreshold]]:
    for name, limit in options.judged.items():
        yield name, _bounds(limit.minimum, limit.maximum)
        if limit.max_place is not None:
            yield tfma_name(name, "proven_place"), _bounds(None, limit.max_place)
        if baseline and limit.max_worsening is not None:
            yield tfma_name(name, "worsening"), _bounds(None, limit.max_worsening)
    yield MEMORIZED_SHARE, _bounds(None, options.max_memorized)


def _bounds(minimum: float | None, maximum: float | None) -> config_pb2.MetricThreshold:
    result = config_pb2.MetricThreshold()
    if minimum is not None:
        result.value_threshold.lower_bound.value = minimum
    if maximum is not None:
        result.value_threshold.upper_bound.value = maximum
    return result
