"""report.html: the report of an evaluation."""

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from components.features.options import SEARCH_SPACE
from components.sample_evaluator import sources
from components.sample_evaluator.report import judged
from components.sample_evaluator.report.figures import Pictures, arrange
from components.sample_evaluator.report.pairs import pair_table
from components.sample_evaluator.report.texts import number, percent
from trainer.common.text import printable

REASONS = 4  # shown; further ones are collapsed, so that a phone shows pictures soon

# What metrics.json may have or lack, beside its other parts.
_OPTIONAL = ("kinds", "warnings", "seed_distance")


def render(summary: Mapping[str, Any], pictures: Pictures) -> str:
    """Renders the report as a self-contained HTML page.

    Args:
        summary: from `summary.summarize`; parts that are None, empty or missing are omitted.
        pictures: the pictures to include.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["percent"] = percent
    class_metrics = _class_metrics(summary["classes"])
    history = [entry for entry in summary["history"] if entry["metrics"]]  # others have places only
    summary = {**summary, "history": history}
    history_charts = _history_charts(summary) if history else {}
    shown = judged.judged_metrics(summary)
    return environment.get_template("report.html.j2").render(
        dict.fromkeys(_OPTIONAL) | summary,
        search_space=SEARCH_SPACE.name,
        verdict=_verdict(summary),
        setting=[" · ".join(_judged(summary)), " · ".join(_conditions(summary))],
        nb_reason=REASONS,
        figures=arrange(pictures, summary),
        judged=shown,
        left_out=list(_left_out(summary, shown)),
        ticks=judged.ticks(),
        pairs=pair_table(summary),
        metric_rows=list(_metric_rows(summary)),
        spectrum_rows=list(_spectrum_rows(summary.get("spectrum"))),
        kind_rows=list(_kind_rows(summary.get("kinds"))),
        class_metrics=class_metrics,
        class_rows=[
            [label or "(no label)", found["images"], *_numbers(found["metrics"], class_metrics)]
            for label, found in (summary["classes"] or {}).items()
        ],
        history_charts=history_charts,
        history_rows=list(_history_rows(summary, history_charts)),
    )


def _visible(value: Any) -> Any:
    """Escapes control characters, bidirectional ones too; keeps line breaks."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(printable, value.split("\n")))


def _numbers(values: Mapping[str, float | None], names: Iterable[str]) -> list[str]:
    return [number(values.get(name)) for name in names]


def _verdict(summary: Mapping[str, Any]) -> str:
    """What the verdict means, as one sentence."""
    if summary["nb_step"] is None and summary["images"].get(sources.CANDIDATE):  # a folder
        if summary["mode"] != "auto":
            passed = "pass" if summary["blessed"] else "do not pass"
            return f"The images {passed} whatever the limits say."
        return "The images keep the limits." if summary["blessed"] else "The images miss limits:"
    if summary["mode"] != "auto":
        kept = "is pushed" if summary["blessed"] else "is not pushed"
        return f"The model {kept} whatever the limits say."
    if summary["blessed"]:
        return "The model keeps its limits and may be pushed."
    return "The model may not be pushed:"


def _judged(summary: Mapping[str, Any]) -> Iterator[str]:
    """What was judged, in phrases."""
    if summary.get("evaluated"):
        yield f"Judged {summary['evaluated'][:16].replace('T', ' ')} UTC"
    yield summary["model"]["uri"]
    if summary.get("shape"):
        height, width, channels = summary["shape"]
        color = {1: "gray", 3: "color"}.get(channels, f"{channels} channels")
        yield f"{width}x{height} pixels, {color}"
    images = summary["images"]
    count = images.get(sources.CANDIDATE, 0)
    if summary["nb_step"]:
        seeds = f"seeds from {summary['seed']}, {summary['nb_step']} solver steps"
        yield f"{count} samples ({seeds})"
    else:
        yield f"{count} samples"
    names = {sources.REAL: "held-out", sources.TRAIN: "training", sources.HOLDOUT: "data.holdout"}
    counts = [f"{images[name]} {text}" for name, text in names.items() if name in images]
    yield f"beside {', '.join(counts)} images"


def _conditions(summary: Mapping[str, Any]) -> Iterator[str]:
    """How it was judged, in phrases."""
    settings = ", ".join(
        f"{name} {value}" for name, value in (summary["feature_settings"] or {}).items()
    )
    yield f"Features {summary['features']}{f' ({settings})' if settings else ''}"
    if summary.get("limits"):
        yield f"limits {summary['limits']}"
    baseline = summary["baseline"]
    uri = f" ({baseline['uri']})" if baseline["uri"] else ""
    yield f"baseline: {baseline['status']}{uri}"
    for name, folder in (summary.get("folders") or {}).items():
        # The model and its baseline are already named.
        if folder and folder not in (summary["model"]["uri"], baseline["uri"]):
            yield f"{name}: {folder}"


def _left_out(summary: Mapping[str, Any], shown: Sequence[judged.Judged]) -> Iterator[str]:
    """What was left out, except for the metrics that are shown with their own sentences."""
    names = {one.name for one in shown if one.status != judged.FAILED}
    for text in summary.get("left_out") or []:
        if text.split(maxsplit=1)[0].removesuffix(":") not in names:
            yield text


def _metric_rows(summary: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All metrics, with their numbers as texts by column."""
    marks = {judged.PASSED: "✓ passed", judged.FAILED: "✗ failed"}
    for name, metric in summary["metrics"].items():
        place, margin = metric.get("place"), metric.get("place_margin")
        spread = f" ± {number(metric['stddev'])}" if metric["stddev"] is not None else ""
        error = f" ± {percent(margin)}" if margin is not None else ""
        yield {
            "name": name,
            "larger_is_better": metric["larger_is_better"],
            "cells": {
                "candidate": number(metric["candidate"]) + spread,
                "baseline": number(metric["baseline"]),
                "floor": number(metric["train"]),
                "noise": number(metric["noise"]),
                "way to noise": percent(place) + error,
                "best earlier": percent(metric.get("best_place")),
                "limits": "\n".join(judged.limits_of(metric)) or "none",
                "outcome": marks.get(metric.get("status"), metric.get("status") or "–"),
            },
        }


def _spectrum_rows(spectrum: Mapping[str, Any] | None) -> Iterator[list[str]]:
    if spectrum:
        missing = [None] * len(spectrum["frequencies"])
        names = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
        columns = [spectrum["frequencies"], *(spectrum.get(name) or missing for name in names)]
        yield from ([number(value) for value in row] for row in zip(*columns, strict=True))


def _kind_rows(kinds: Mapping[str, Any] | None) -> Iterator[list[str]]:
    """The kinds with their numbers, the missing ones first."""
    found = (kinds or {}).get("kinds") or []
    for kind in sorted(found, key=lambda kind: not kind["missing"]):
        name = kind["name"] or "(no label)"
        counts = [_count(kind[column]) for column in ("held_out", "expected", "estimated")]
        yield [f"✗ {name}" if kind["missing"] else name, *counts]


def _count(value: float | None) -> str:
    return number(None) if value is None else f"{value:,.0f}"


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
