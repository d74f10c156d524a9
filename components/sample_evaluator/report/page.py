"""report.html: the report of an evaluation."""

import base64
import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from components.features.options import SEARCH_SPACE
from components.sample_evaluator import sources


@dataclasses.dataclass(frozen=True)
class Pictures:
    """PNG files in the report; None if there is none.

    Attributes:
        samples: grid of the candidate's first samples.
        real: grid of held-out images.
        nearest_pairs: the first samples, each above its nearest training image.
        trajectories: one row for each of the first seeds, from noise to image.
        missing_kinds: held-out images of the kinds that are missing, one row for each.
    """

    samples: bytes | None = None
    real: bytes | None = None
    nearest_pairs: bytes | None = None
    trajectories: bytes | None = None
    missing_kinds: bytes | None = None


def render(summary: Mapping[str, Any], pictures: Pictures) -> str:
    """Renders the report as a self-contained HTML page.

    Args:
        summary: from `summary.summarize`; parts that are None or empty are omitted.
        pictures: the pictures to include.
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
    edges = summary["error_by_alpha"]["edges"] if errors else []
    pairs = itertools.pairwise(edges)
    class_metrics = _class_metrics(summary["classes"])
    history_charts = _history_charts(summary) if summary["history"] else {}
    return environment.get_template("report.html.j2").render(
        summary,
        search_space=SEARCH_SPACE.name,
        pictures=list(_shown(pictures, summary)),
        error_series=errors,
        error_chart=errors and _error_chart(edges, errors),
        error_rows=[
            [f"{_number(low)} to {_number(high)}", *map(_number, values)]
            for (low, high), *values in zip(pairs, *errors.values(), strict=True)
        ],
        class_metrics=class_metrics,
        class_rows=[
            [label or "(no label)", found["images"], *_numbers(found["metrics"], class_metrics)]
            for label, found in (summary["classes"] or {}).items()
        ],
        history_charts=history_charts,
        history_rows=list(_history_rows(summary, history_charts)),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def _numbers(values: Mapping[str, float | None], names: Iterable[str]) -> list[str]:
    return [_number(values.get(name)) for name in names]


def _limits(metric: Mapping[str, Any]) -> str:
    """The limits of a metric, one per line; empty without limits."""
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
    """The available pictures with their texts."""
    seed = summary["seed"]
    # Without solver steps, the candidate is a folder of images.
    order = "first by hash" if summary["nb_step"] is None else f"from seed {seed}"
    texts = [
        (
            pictures.samples,
            f"Samples, {order}",
            f"Grid of the candidate's first samples, {order}",
        ),
        (pictures.real, "Held-out images", "Grid of held-out images, first by hash"),
        (
            pictures.nearest_pairs,
            f"The first samples, each above its nearest training image in the feature space "
            f"{SEARCH_SPACE.name}, which is mirrored where that is nearer",
            "Pairs of a sample, above, and its nearest training image, below, "
            "mirrored where that is nearer",
        ),
        (
            pictures.trajectories,
            f"From noise (left) to sample (right), one row per seed from {seed}",
            "Grid of trajectories: each row goes from noise to a sample",
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
    from components.sample_evaluator.report import charts  # imports matplotlib

    centers = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    return charts.line_chart(
        centers,
        errors,
        title="Denoising error, mean squared",
        x_label="alpha",
        x_range=(edges[0], edges[-1]),
    )


def _class_metrics(classes: Mapping[str, Any] | None) -> list[str]:
    """The names of the metrics that any class has."""
    return list(
        dict.fromkeys(name for found in (classes or {}).values() for name in found["metrics"])
    )


def _history_charts(summary: Mapping[str, Any]) -> dict[str, Markup]:
    """Charts by metric, for the metrics of earlier models."""
    from components.sample_evaluator.report import charts  # imports matplotlib

    charted = {}
    for name, metric in summary["metrics"].items():
        earlier = [entry["metrics"].get(name) for entry in summary["history"]]
        if any(value is not None for value in earlier):
            charted[name] = charts.sparkline([*earlier, metric[sources.CANDIDATE]], name)
    return charted


def _history_rows(summary: Mapping[str, Any], names: Iterable[str]) -> Iterator[list[str]]:
    for entry in summary["history"]:
        yield [entry["evaluated"], *_numbers(entry["metrics"], names), entry["model"]]
    now = {name: metric[sources.CANDIDATE] for name, metric in summary["metrics"].items()}
    yield ["now", *_numbers(now, names), summary["model"]["uri"]]
