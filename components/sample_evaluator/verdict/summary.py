"""The content of metrics.json, the machine-readable result of an evaluation."""

from typing import Any

from components.metrics import (
    CATALOG,
    HOLDOUT_METRICS,
    HOLDOUT_PAIR_METRICS,
    PAIR_METRICS,
    get_metric,
)
from components.metrics.kinds import Kinds
from components.sample_evaluator import sources
from components.sample_evaluator.evaluation import Evaluation
from components.sample_evaluator.measure.results import (
    DISTANCE_RATIO,
    MEMORIZED_SHARE,
    MIRRORED_SHARE,
    Results,
    SourceResult,
)
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.sources import BESIDE_RESULTS
from components.sample_evaluator.verdict.gate import Measured, ModelVerdict

_OF_A_KIND = ("name", "held_out", "expected", "estimated", "missing")
_SOURCES = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)


def summarize(evaluation: Evaluation, measured: Measured, verdict: ModelVerdict) -> dict[str, Any]:
    """The verdict with its numbers, for metrics.json; missing numbers are None."""
    options, results = measured.options, measured.results
    pairs, holdout = sources.OTHER in results, sources.HOLDOUT in results
    names = [
        *(PAIR_METRICS if pairs else ()),
        *CATALOG,
        *(HOLDOUT_METRICS if holdout else ()),
        *(HOLDOUT_PAIR_METRICS if pairs and holdout else ()),
    ]
    return {
        "blessed": verdict.blessed,
        "mode": options.bless,
        "reasons": list(verdict.reasons),
        "warnings": list(verdict.warnings),
        "checks": [check._asdict() for check in verdict.checks],
        "limits": options.limits,
        "shape": list(evaluation.shape),
        "features": options.features.name,
        "feature_settings": options.features.settings,
        "folders": dict(evaluation.folders),
        "seed": options.seed,
        "samples": results[sources.REAL].images,
        "images": {name: found.images for name, found in results.items()},
        "equal_to_held_out": results[sources.CANDIDATE].equal_images,
        "model": {"uri": evaluation.candidate.uri},
        "baseline": _baseline(evaluation, measured),
        "metrics": {name: _metric(name, measured, verdict) for name in names},
        "memorization": _memorization(results, options),
        "kinds": _kinds(measured.kinds),
        "classes": {
            label: {
                "images": found.images,
                "metrics": {name: found[name].value for name in CATALOG},
            }
            for label, found in results[sources.CANDIDATE].classes.items()
        },
        "history": list(measured.earlier),
    }


def _baseline(evaluation: Evaluation, measured: Measured) -> dict[str, str | None]:
    if evaluation.baseline is None:
        return {"uri": None, "status": "there is none yet"}
    problem = measured.problems.get(sources.BASELINE)
    status = f"not compared: {problem}" if problem else "compared"
    return {"uri": evaluation.baseline.uri, "status": status}


def _kinds(found: Kinds) -> dict[str, Any]:
    shown = [{name: getattr(kind, name) for name in _OF_A_KIND} for kind in found.kinds]
    return {**found._asdict(), "kinds": shown}


def _memorization(results: Results, options: EvaluateOptions) -> dict[str, Any] | None:
    found = {
        source: {
            "share": results[source][MEMORIZED_SHARE].value,
            "mirrored_share": results[source][MIRRORED_SHARE].value,
            "distance_ratio": results[source][DISTANCE_RATIO].value,
        }
        for source in (sources.CANDIDATE, sources.BASELINE)
        if source in results and results[source][MEMORIZED_SHARE].value is not None
    }
    return {**found, "maximum": options.max_memorized} if found else None


def _metric(name: str, measured: Measured, verdict: ModelVerdict) -> dict[str, Any]:
    results, limit = measured.results, verdict.limits.get(name)
    candidate = results[sources.CANDIDATE][name]
    return {
        **{source: results.get(source, SourceResult())[name].value for source in _SOURCES},
        **{source: results[source][name].value for source in BESIDE_RESULTS if source in results},
        "stddev": candidate.stddev,
        "worsening": candidate.worsening,
        "margin": candidate.margin,
        "place": candidate.place,
        "place_margin": candidate.place_margin,
        "best_place": measured.best.get(name),
        **{field: getattr(limit, field, None) for field in Threshold.model_fields},
        "larger_is_better": get_metric(name).larger_is_better,
        "unavailable": candidate.unavailable,
    }
