"""metrics.json and report.html: what an evaluation found, for programs and for people."""

import base64
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

from components.sample_evaluator import sources
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
) -> dict[str, Any]:
    """Makes the content of metrics.json.

    Args:
        values: by source, by metric, as `analysis.load_values` reads them.
        verdict: of the gate.
        options: what was asked for.
        nb_step: solver steps of the candidate; None if it cannot be sampled.
        model: URI of the candidate.
        baseline: its `uri` (None: there is none) and its `status`, a phrase.

    Returns:
        A dictionary for JSON; a number that there is none of is None.
    """
    return {
        "blessed": verdict.blessed,
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
    }


def _metric(
    name: str, values: Values, threshold: Threshold | None, passed: bool
) -> dict[str, float | str | bool | None]:
    row = {source: values.get(source, {}).get(name) for source in _SOURCES}
    return {
        **row,
        "maximum": threshold.maximum if threshold else None,
        "max_increase": threshold.max_increase if threshold else None,
        "passed": passed,
        "unavailable": values[sources.CANDIDATE].get(unavailable_name(name)),
    }


def render(summary: Mapping[str, Any], samples: bytes | None, real: bytes | None) -> str:
    """Renders the report: one HTML page that needs nothing beside it.

    Args:
        summary: of `summarize`.
        samples: PNG grid of the candidate's first samples, if there are any.
        real: PNG grid of held-out images, if there are any.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("report.html.j2").render(
        summary, samples_uri=_data_uri(samples), real_uri=_data_uri(real)
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def _data_uri(png: bytes | None) -> str | None:
    return png and f"data:image/png;base64,{base64.b64encode(png).decode()}"
