"""What was judged: each metric as a bar between training images and noise, with its texts."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from components.metrics import AT_HOLDOUT, METRICS, get_metric
from components.sample_evaluator import sources
from components.sample_evaluator.report.texts import limits_of, number, percent, sharpness
from components.sample_evaluator.verdict.checks import (
    COPIES,
    KEPT,
    LEFT_OUT,
    MISSED,
    outcome_of,
    read_checks,
)

LOWEST, HIGHEST = -0.01, 1.0  # places at the ends of a bar; beyond, a mark stands at the end
TICKS = {"0": 0.0, "1%": 0.01, "5%": 0.05, "25%": 0.25, "100%": 1.0}
SPECTRUM = "spectrum_distance"


class Bar(NamedTuple):
    """Where the marks of a bar are, in percent of its width; None if there is no such mark."""

    place: float
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    best: float | None = None


class Judged(NamedTuple):
    """A metric that was judged, or left out.

    Attributes:
        name: of the metric.
        title: a few words; empty if the name says it all.
        measures: a sentence; empty if it is not known.
        outcome: KEPT, MISSED or LEFT_OUT.
        bar: None if the metric has no place between training images and noise.
        values: what the bar shows, in words.
        sentences: on the outcome.
    """

    name: str
    title: str
    measures: str
    outcome: str
    bar: Bar | None
    values: str
    sentences: list[str]


def scale(place: float) -> float:
    """Where a place is, in percent of the width.

    The scale is that of the square root, mirrored below 0: good models are near 0, and their
    differences would not be seen on a linear one.
    """
    low, high, found = (_root(one) for one in (LOWEST, HIGHEST, min(max(place, LOWEST), HIGHEST)))
    return round(2 + 96 * (found - low) / (high - low), 2)


def _root(place: float) -> float:
    return math.copysign(math.sqrt(abs(place)), place)


def judged_metrics(summary: Mapping[str, Any]) -> list[Judged]:
    """What was judged, failures first, and what was left out last."""
    checks, shown = read_checks(summary), []
    for name in (*summary["metrics"], COPIES):
        outcome = outcome_of(checks, name)
        if outcome is None:
            continue
        said = [each.sentence for each in checks if each.name == name and each.outcome != KEPT]
        if name == COPIES:
            title, measures, bar, values = _copies(summary["memorization"])
        else:
            title, measures = _explain(name)
            bar, values = _place(name, summary["metrics"][name])
        if name == SPECTRUM and (found := sharpness(summary.get("spectrum"))):
            said.insert(0, found)
        sentences = list(dict.fromkeys(said))
        shown.append(Judged(name, title, measures, outcome, bar, values, sentences))
    return sorted(shown, key=lambda one: (MISSED, KEPT, LEFT_OUT).index(one.outcome))


def _explain(name: str) -> tuple[str, str]:
    metric = METRICS.get(name.removesuffix(AT_HOLDOUT))
    if metric is None:
        return "", ""
    beside = ", beside data.holdout" if name.endswith(AT_HOLDOUT) else ""
    return metric.title + beside, metric.measures


def _place(name: str, metric: Mapping[str, Any]) -> tuple[Bar | None, str]:
    """The bar of a metric, and what it shows; its value and limits if it has no place."""
    place, error, best = (metric[key] for key in ("place", "place_margin", "best_place"))
    if place is None:
        return None, "; ".join([f"value {number(metric[sources.CANDIDATE])}", *limits_of(metric)])
    limit = _limit(name, metric)
    marks = (place, *((None, None) if error is None else (place - error, place + error)))
    bar = Bar(*(one if one is None else scale(one) for one in (*marks, limit, best)))
    words = {"limit": limit, "best earlier model": best}
    beside = [f"{word} {percent(one)}" for word, one in words.items() if one is not None]
    found = f"{percent(place)} of the way to noise"
    return bar, "; ".join([found if error is None else f"{found} ± {percent(error)}", *beside])


def _limit(name: str, metric: Mapping[str, Any]) -> float | None:
    """The lowest limit of the place; limits of the value are converted."""
    found = [metric["max_place"]]
    floor, noise = metric[sources.TRAIN], metric[sources.NOISE]
    if None not in (floor, noise) and floor != noise:
        span = get_metric(name).widen(noise - floor)
        values = (metric["minimum"], metric["maximum"])
        found += [(value - floor) / span for value in values if value is not None]
    return min((one for one in found if one is not None), default=None)


def _copies(memorization: Mapping[str, Any] | None) -> tuple[str, str, Bar | None, str]:
    title, measures = (
        "Copies of training images",
        "The share of the samples that are nearer to a training image than nearly all held-out "
        "images are, as they are, mirrored or slightly shifted.",
    )
    found = (memorization or {}).get(sources.CANDIDATE)
    if not found:
        return title, measures, None, ""
    share, mirrored, limit = found["share"], found["mirrored_share"], memorization["maximum"]
    values = f"{percent(share)} of the samples; limit {percent(limit)}"
    if share and mirrored is not None:
        values += f"; {percent(mirrored)} of the copies are mirrored"
    return title, measures, Bar(scale(share), limit=scale(limit)), values
