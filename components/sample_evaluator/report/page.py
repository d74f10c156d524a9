"""report.html: what an evaluation found, for people."""

import base64
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from components.sample_evaluator import sources
from components.sample_evaluator.report import charts


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
        summary: of `summary.summarize`. Parts that are None, or empty, are left out of the page.
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
    # Without solver steps the candidate is images in a folder.
    order = "the first by hash" if summary["nb_step"] is None else f"from seed {seed} on"
    texts = [
        (
            pictures.samples,
            f"Samples, {order}",
            f"Grid of the candidate's first samples, {order}",
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
