"""metrics.json: what an evaluation found, for programs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from components.metrics import CATALOG, HOLDOUT_METRICS, get_metric
from components.sample_evaluator import sources
from components.sample_evaluator.measure import tfma_metrics
from components.sample_evaluator.measure.tfma_metrics import (
    margin_name,
    unavailable_name,
    worsening_name,
)
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict.gate import Values, Verdict

_SOURCES = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)


class Setting(NamedTuple):
    """What was evaluated, and how.

    Attributes:
        options: what was asked for.
        nb_step: solver steps of the candidate; None if it cannot be sampled.
        model: URI of the candidate.
        baseline: URI of the baseline; None where there is none.
        baseline_status: a phrase.
    """

    options: EvaluateOptions
    nb_step: int | None
    model: str
    baseline: str | None
    baseline_status: str


def summarize(
    setting: Setting,
    values: Values,
    values_by_label: Values,
    verdict: Verdict,
    error_by_alpha: Mapping[str, Any] | None,
    history: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Makes the content of metrics.json.

    Args:
        setting: what was evaluated, and how.
        values: by source, by metric, as `analysis.load_values` reads them.
        values_by_label: of the candidate, by label, by metric.
        verdict: of the gate.
        error_by_alpha: of `error_by_alpha.WriteErrorByAlpha`, if it was measured.
        history: of the earlier blessed models, from `history.earlier_metrics`.

    Returns:
        A dictionary for JSON; a number that there is none of is None.
    """
    options = setting.options
    names = [*CATALOG, *(HOLDOUT_METRICS if sources.HOLDOUT in values else ())]
    return {
        "blessed": verdict.blessed,
        "mode": options.bless,
        "reasons": list(verdict.reasons),
        "features": options.features.name,
        "feature_settings": options.features.settings,
        "nb_step": setting.nb_step,
        "seed": options.seed,
        "samples": int(values[sources.REAL].get("images", 0)),
        "images": {name: int(found.get("images", 0)) for name, found in values.items()},
        "model": {"uri": setting.model},
        "baseline": {"uri": setting.baseline, "status": setting.baseline_status},
        "metrics": {name: _metric(name, values, options, verdict) for name in names},
        "memorization": _memorization(values, options),
        "classes": {
            label: {
                "images": int(found.get("images", 0)),
                "metrics": {name: found.get(name) for name in CATALOG},
            }
            for label, found in values_by_label.items()
        },
        "error_by_alpha": error_by_alpha,
        "history": list(history),
    }


def _memorization(values: Values, options: EvaluateOptions) -> dict[str, Any] | None:
    found = {
        source: {
            "share": values[source][tfma_metrics.MEMORIZED_SHARE],
            "distance_ratio": values[source][tfma_metrics.DISTANCE_RATIO],
        }
        for source in (sources.CANDIDATE, sources.BASELINE)
        if tfma_metrics.MEMORIZED_SHARE in values.get(source, {})
    }
    return {**found, "maximum": options.max_memorized} if found else None


def _metric(name: str, values: Values, options: EvaluateOptions, verdict: Verdict) -> dict:
    candidate = values[sources.CANDIDATE]
    threshold = options.thresholds.get(name)
    return {
        **{source: values.get(source, {}).get(name) for source in _SOURCES},
        "stddev": candidate.get(tfma_metrics.KID_STDDEV) if name == "kid" else None,
        "worsening": candidate.get(worsening_name(name)),
        "margin": candidate.get(margin_name(name)),
        **{
            limit: getattr(threshold, limit) if threshold else None
            for limit in ("minimum", "maximum", "max_worsening")
        },
        "passed": name not in verdict.failed,
        "larger_is_better": get_metric(name).larger_is_better,
        "unavailable": candidate.get(unavailable_name(name)),
    }
