"""metrics.json and report.html: what an evaluation found, for programs and for people."""

import base64
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from components.sample_evaluator import charts, sources
from components.sample_evaluator.gate import Values, Verdict
from components.sample_evaluator.metrics import CATALOG
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.tfma_metrics import unavailable_name

_SOURCES = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)


def summarize(
    values: Values,
    verdict: Verdict,
    options: EvaluateOptions,
    nb_step: int | None,
    model: str,
    baseline: Mapping[str, str | None],
    error_by_alpha: Mapping[str, list[float] | None] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Makes the content of metrics.json.

    Args:
        values: by source, by metric, as `analysis.load_values` reads them.
        verdict: of the gate.
        options: what was asked for.
        nb_step: solver steps of the candidate; None if it cannot be sampled.
        model: URI of the candidate.
        baseline: its `uri` (None: there is none) and its `status`, a phrase.
        error_by_alpha: of `error_by_alpha.WriteErrorByAlpha`, if it was measured.
        history: of `history.earlier_metrics`.

    Returns:
        A dictionary for JSON; a number that there is none of is None.
    """
    return {
        "blessed": verdict.blessed,
        "mode": "auto",
        "reasons": list(verdict.reasons),
        "features": options.features,
        "nb_step": nb_step,
        "seed": options.seed,
        "samples": int(values[sources.REAL].get("images", 0)),
        "images": {name: int(found.get("images", 0)) for name, found in values.items()},
        "model": {"uri": model},
        "baseline": dict(baseline),
        "metrics": {
            name: _metric(name, values, options.thresholds.get(name), name not in verdict.failed)
            for name in CATALOG
        },
        "memorization": None,
        "classes": None,
        "error_by_alpha": error_by_alpha and dict(error_by_alpha),
        "history": list(history),
    }


def _metric(
    name: str, values: Values, threshold: Threshold | None, passed: bool
) -> dict[str, float | str | bool | None]:
    row = {source: values.get(source, {}).get(name) for source in _SOURCES}
    return {
        **row,
        "stddev": None,
        "minimum": None,
        "maximum": threshold.maximum if threshold else None,
        "max_worsening": threshold.max_increase if threshold else None,
        "passed": passed,
        "larger_is_better": False,
        "unavailable": values[sources.CANDIDATE].get(unavailable_name(name)),
    }


@dataclasses.dataclass(frozen=True)
class Pictures:
    """PNG files that the report shows; None: there is none.

    Attributes:
        samples: grid of the candidate's first samples.
        real: grid of held-out images.
        nearest_pairs: the first samples, and below each the training image nearest to it.
        trajectories: a row for each of the first seeds, from noise to image.
    """

    samples: bytes | None = None
    real: bytes | None = None
    nearest_pairs: bytes | None = None
    trajectories: bytes | None = None


def render(summary: Mapping[str, Any], pictures: Pictures) -> str:
    """Renders the report: one HTML page that needs nothing beside it.

    Args:
        summary: of `summarize`. Parts that are None, or empty, are left out of the page.
        pictures: what there is to see.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["limits"] = _limits
    errors = _error_series(summary["error_by_alpha"])
    return environment.get_template("report.html.j2").render(
        summary,
        pictures=list(_shown(pictures, summary)),
        error_series=errors,
        error_chart=errors and _error_chart(summary["error_by_alpha"]["edges"], errors),
        class_metrics=_class_metrics(summary["classes"]),
        history_charts=_history_charts(summary),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def _limits(metric: Mapping[str, Any]) -> str:
    """What a metric has to keep, a line each; empty where it has no limits."""
    phrases = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "max_worsening": "at most {} worse than the baseline",
    }
    return "\n".join(
        phrase.format(_number(metric[name]))
        for name, phrase in phrases.items()
        if metric[name] is not None
    )


def _shown(pictures: Pictures, summary: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each picture there is, with its texts."""
    seed = summary["seed"]
    texts = [
        (
            pictures.samples,
            f"Samples, from seed {seed} on",
            f"Grid of the candidate's first samples, from seed {seed} on",
        ),
        (pictures.real, "Held-out images", "Grid of held-out images, the first by hash"),
        (
            pictures.nearest_pairs,
            f"The first samples, and below each the training image nearest to it in the feature "
            f"space {summary['features']}",
            "Pairs of a sample, above, and the training image nearest to it, below",
        ),
        (
            pictures.trajectories,
            f"From noise, left, to the sample, right: a row for each seed from {seed} on",
            "Grid of trajectories: each row leads from noise to a sample",
        ),
    ]
    for png, caption, alternative in texts:
        if png is not None:
            uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            yield {"uri": uri, "caption": caption, "alternative": alternative}


def _error_series(errors: Mapping[str, Any] | None) -> dict[str, list[float]]:
    names = (sources.CANDIDATE, sources.BASELINE, "ceiling")
    return {name: errors[name] for name in names if errors[name]} if errors else {}


def _error_chart(edges: Sequence[float], errors: Mapping[str, Sequence[float]]) -> Markup:
    centers = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    return charts.line_chart(
        centers,
        errors,
        title="Denoising error, mean squared",
        x_label="alpha",
        x_range=(edges[0], edges[-1]),
    )


def _class_metrics(classes: Mapping[str, Any] | None) -> list[str]:
    """Names of the metrics that any class has, in their order."""
    return list(
        dict.fromkeys(name for found in (classes or {}).values() for name in found["metrics"])
    )


def _history_charts(summary: Mapping[str, Any]) -> dict[str, Markup]:
    """By metric, for those that earlier models have."""
    charted = {}
    for name, metric in summary["metrics"].items():
        earlier = [entry["metrics"].get(name) for entry in summary["history"]]
        if any(value is not None for value in earlier):
            charted[name] = charts.sparkline([*earlier, metric[sources.CANDIDATE]], name)
    return charted
