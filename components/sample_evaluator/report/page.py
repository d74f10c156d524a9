"""report.html: the report of an evaluation."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from components.features.options import SEARCH_SPACE
from components.sample_evaluator import sources
from components.sample_evaluator.report import charts, judged
from components.sample_evaluator.report.figures import arrange, has_pairs
from components.sample_evaluator.report.texts import limits_of, number, numbers, percent, whole
from components.sample_evaluator.verdict.checks import outcome_of, read_checks
from trainer.common.text import printable

REASONS = 4  # shown; further ones are collapsed, so that a phone shows pictures soon

# The columns of the table of a model that translates: what its results stand beside.
_BESIDE = {
    sources.CANDIDATE: "results",
    sources.BASELINE: "baseline",
    sources.SOURCE: "the sources themselves",
    sources.OTHER: "other held-out images",
    sources.ANSWER: "one answer each",
    sources.MEAN_ANSWER: "mean answers",
}


def render(summary: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Renders the report as a self-contained HTML page.

    Args:
        summary: from `summary.summarize`; parts that are None or empty are omitted.
        pictures: PNG files by name, as `figures.arrange` takes them.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "numbers": numbers, "whole": whole}
    environment.filters |= {"percent": percent, "limits": limits_of}
    metrics, checks = summary["metrics"], read_checks(summary)
    translated = {
        name: each for name, each in metrics.items() if each.get(sources.SOURCE) is not None
    }
    history = [entry for entry in summary["history"] if entry["metrics"]]  # others have places only
    return environment.get_template("report.html.j2").render(
        summary,
        search_space=SEARCH_SPACE.name,
        verdict=_verdict(summary),
        setting=[" · ".join(_judged(summary)), " · ".join(_conditions(summary))],
        nb_reason=REASONS,
        figures=arrange(pictures, summary),
        judged=judged.judged_metrics(summary),
        outcomes={name: outcome_of(checks, name) for name in metrics},
        ticks={text: judged.scale(place) for text, place in judged.TICKS.items()},
        has_pairs=has_pairs(summary),
        translated=translated,
        beside={
            source: text
            for source, text in _BESIDE.items()
            if any(each.get(source) is not None for each in translated.values())
        },
        history=history,
        now={name: each[sources.CANDIDATE] for name, each in metrics.items()},
        sparklines=_sparklines(metrics, history),
        spectrum_rows=list(_spectrum_rows(summary["spectrum"])),
    )


def _visible(value: Any) -> Any:
    """Escapes control characters, bidirectional ones too; keeps line breaks."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(printable, value.split("\n")))


def _verdict(summary: Mapping[str, Any]) -> str:
    """What the verdict means, as one sentence."""
    blessed, overruled = summary["blessed"], summary["mode"] != "auto"
    if summary["nb_step"] is None and summary["images"].get(sources.CANDIDATE):  # a folder
        if overruled:
            return f"The images {'pass' if blessed else 'do not pass'} whatever the limits say."
        return "The images keep the limits." if blessed else "The images miss limits:"
    if overruled:
        return f"The model is {'pushed' if blessed else 'not pushed'} whatever the limits say."
    if blessed:
        return "The model keeps its limits and may be pushed."
    return "The model may not be pushed:"


def _judged(summary: Mapping[str, Any]) -> Iterator[str]:
    """What was judged, in phrases."""
    height, width, channels = summary["shape"]
    images = summary["images"]
    count = f"{images.get(sources.CANDIDATE, 0)} samples"
    names = {sources.REAL: "held-out", sources.TRAIN: "training", sources.HOLDOUT: "data.holdout"}
    counts = [f"{images[name]} {text}" for name, text in names.items() if name in images]
    yield f"Judged {summary['evaluated'][:16].replace('T', ' ')} UTC"
    yield summary["model"]["uri"]
    yield f"{width}x{height} pixels, {'gray' if channels == 1 else 'color'}"
    if summary["nb_step"]:
        count += f" (seeds from {summary['seed']}, {summary['nb_step']} solver steps)"
    yield count
    yield f"beside {', '.join(counts)} images"


def _conditions(summary: Mapping[str, Any]) -> Iterator[str]:
    """How it was judged, in phrases."""
    baseline, model = summary["baseline"], summary["model"]["uri"]
    settings = ", ".join(f"{name} {value}" for name, value in summary["feature_settings"].items())
    yield f"Features {summary['features']}{f' ({settings})' if settings else ''}"
    yield f"limits {summary['limits']}"
    uri = f" ({baseline['uri']})" if baseline["uri"] else ""
    yield f"baseline: {baseline['status']}{uri}"
    for name, folder in summary["folders"].items():
        if folder and folder not in (model, baseline["uri"]):  # these are already named
            yield f"{name}: {folder}"


def _sparklines(metrics: Mapping[str, Any], history: list[Any]) -> dict[str, charts.Line]:
    """The course of each metric that earlier models have."""
    found = {}
    for name, metric in metrics.items():
        earlier = [entry["metrics"].get(name) for entry in history]
        if any(value is not None for value in earlier):
            found[name] = charts.sparkline([*earlier, metric[sources.CANDIDATE]])
    return found


def _spectrum_rows(spectrum: Mapping[str, Any] | None) -> Iterator[list[str]]:
    """The power of each source at each frequency."""
    shown = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
    for i in range(len(spectrum["frequencies"]) if spectrum else 0):
        yield [number(spectrum[source][i] if spectrum.get(source) else None) for source in shown]
