"""The content of metrics.json, the machine-readable result of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from components.metrics import (
    CATALOG,
    HOLDOUT_METRICS,
    HOLDOUT_PAIR_METRICS,
    PAIR_METRICS,
    get_metric,
)
from components.metrics.kinds import Kinds
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import (
    DISTANCE_RATIO,
    MEMORIZED_SHARE,
    MIRRORED_SHARE,
    Results,
    SourceResult,
)
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.sources import BESIDE_RESULTS
from components.sample_evaluator.verdict.gate import ModelVerdict

_OF_A_KIND = ("name", "held_out", "expected", "estimated", "missing")
_SOURCES = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)


class Setting(NamedTuple):
    """What was evaluated, and how.

    Attributes:
        options: of the evaluation.
        nb_step: solver steps of the candidate; None if it cannot be sampled.
        model: URI of the candidate.
        baseline: URI of the baseline; None if there is none.
        baseline_status: a phrase.
        folders: where the images are, by what they are.
        shape: H, W, C of the images.
        task: from `history.task_of`.
        evaluated: date and time in UTC (ISO 8601).
    """

    options: EvaluateOptions
    nb_step: int | None
    model: str
    baseline: str | None
    baseline_status: str
    folders: Mapping[str, str]
    shape: tuple[int, int, int]
    task: Mapping[str, Any] | None
    evaluated: str


def summarize(
    setting: Setting,
    results: Results,
    verdict: ModelVerdict,
    kinds: Kinds | None,
    spectrum: Mapping[str, Sequence[float]] | None,
    history: Sequence[Mapping[str, Any]],
    best: Mapping[str, float],
    answers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the content of metrics.json.

    Args:
        setting: what was evaluated, and how.
        results: of all sources.
        verdict: of the gate.
        kinds: of images; None if not measured.
        spectrum: from `compare_spectra`; None if not measured.
        history: from `history.earlier_metrics`.
        best: places of the earlier models that the candidate is compared with, by metric.
        answers: from `measure_answers`; None if not measured.

    Returns:
        A dictionary for JSON; missing numbers are None.
    """
    options = setting.options
    translates = sources.SOURCE in results
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
        "evaluated": setting.evaluated,
        "shape": list(setting.shape),
        "task": setting.task,
        "features": options.features.name,
        "feature_settings": options.features.settings,
        "folders": dict(setting.folders),
        "nb_step": setting.nb_step,
        "seed": options.seed,
        "samples": results[sources.REAL].images,
        "images": {name: found.images for name, found in results.items()},
        "equal_to_held_out": results[sources.CANDIDATE].equal_images,
        "model": {"uri": setting.model},
        "baseline": {"uri": setting.baseline, "status": setting.baseline_status},
        "metrics": {name: _metric(name, results, options, best) for name in names},
        "memorization": _memorization(results, options),
        "kinds": kinds and _kinds(kinds),
        "spectrum": spectrum,
        "classes": {
            label: {
                "images": found.images,
                "metrics": {name: found[name].value for name in CATALOG},
            }
            for label, found in results[sources.CANDIDATE].classes.items()
        },
        "history": list(history),
        **({"answers": answers} if translates else {}),
    }


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


def _metric(
    name: str, results: Results, options: EvaluateOptions, best: Mapping[str, float]
) -> dict[str, Any]:
    candidate = results[sources.CANDIDATE][name]
    limit = options.judged.get(name)
    return {
        **{source: results.get(source, SourceResult())[name].value for source in _SOURCES},
        **{source: results[source][name].value for source in BESIDE_RESULTS if source in results},
        "stddev": candidate.stddev,
        "worsening": candidate.worsening,
        "margin": candidate.margin,
        "place": candidate.place,
        "place_margin": candidate.place_margin,
        "best_place": best.get(name),
        **{field: getattr(limit, field, None) for field in Threshold.model_fields},
        "larger_is_better": get_metric(name).larger_is_better,
        "unavailable": candidate.unavailable,
    }
