"""report.html: the report of an evaluation."""

import base64
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from components.metrics import PAIR_METRICS
from components.sample_evaluator import sources
from components.sample_evaluator.report import judged, spectrum
from components.sample_evaluator.report.texts import number, percent
from trainer.common.text import printable

# The columns of the table of a model that translates: what its results stand beside.
_BESIDE = {
    sources.CANDIDATE: "results",
    sources.BASELINE: "baseline",
    sources.SOURCE: "the sources themselves",
    sources.OTHER: "other held-out images",
    sources.ANSWER: "one answer each",
    sources.MEAN_ANSWER: "mean answers",
}
_COLUMNS = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)


def render(summary: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Renders the report as a self-contained HTML page.

    Args:
        summary: from `summary.summarize`; parts that are None or empty are omitted.
        pictures: PNG files by name: those in `names.PICTURES`, and real.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    metrics, curve = summary["metrics"], summary["spectrum"]
    translated = {
        name: each for name, each in metrics.items() if each.get(sources.SOURCE) is not None
    }
    beside = {
        source: text
        for source, text in _BESIDE.items()
        if any(each.get(source) is not None for each in translated.values())
    }
    classes = summary["classes"] or {}
    by_class = [*next(iter(classes.values()), {"metrics": ()})["metrics"]]
    history = [entry for entry in summary["history"] if entry["metrics"]]  # others have places only
    told = [name for name in metrics if any(name in entry["metrics"] for entry in history)]
    return environment.get_template("report.html.j2").render(
        summary,
        setting=[" · ".join(_judged(summary)), " · ".join(_conditions(summary))],
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
        judged=judged.judged_metrics(summary),
        ticks={text: judged.scale(place) for text, place in judged.TICKS.items()},
        chart=spectrum.chart(curve) if sources.CANDIDATE in (curve or {}) else None,
        sharpness=spectrum.sharpness(curve) if sources.CANDIDATE in (curve or {}) else None,
        has_pairs=not PAIR_METRICS.keys().isdisjoint(metrics),
        beside=[*beside.values()],
        translated=[[_named(name, each), *_of(each, beside)] for name, each in translated.items()],
        numbers=[[_named(name, each), *_numbers(each)] for name, each in metrics.items()],
        kind_rows=[*_kinds(summary["kinds"] or {"kinds": ()})],
        by_class=by_class,
        class_rows=[
            [label or "(no label)", found["images"], *_of(found["metrics"], by_class)]
            for label, found in classes.items()
        ],
        told=told,
        earlier=[
            *([e["evaluated"], *_of(e["metrics"], told), e["model"]] for e in history),
            ["now", *(metrics[name][sources.CANDIDATE] for name in told), summary["model"]["uri"]],
        ],
    )


def _shown(value: Any) -> Any:
    """Numbers with four digits, and text with control characters, bidirectional ones too, escaped.

    Line breaks are kept.
    """
    if value is None or isinstance(value, float):
        return number(value)
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(printable, value.split("\n")))


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


def _kinds(kinds: Mapping[str, Any]) -> Iterator[list[str | float | None]]:
    """The images of each kind, those that are missing first."""
    for kind in sorted(kinds["kinds"], key=lambda each: not each["missing"]):
        name = ("✗ " if kind["missing"] else "") + (kind["name"] or "(no label)")
        yield [name, kind["held_out"], kind["expected"], kind["estimated"]]


def _named(name: str, metric: Mapping[str, Any]) -> str:
    return f"{name} {'↑' if metric['larger_is_better'] else '↓'}"


def _of(values: Mapping[str, float | None], names: Iterable[str]) -> list[float | None]:
    return [values.get(name) for name in names]


def _numbers(metric: Mapping[str, Any]) -> list[float | str | None]:
    """The value of each source, that of the candidate with its deviation."""
    value, *others = _of(metric, _COLUMNS)
    if metric["stddev"] is not None:
        value = f"{number(value)} ± {number(metric['stddev'])}"
    return [value, *others]
