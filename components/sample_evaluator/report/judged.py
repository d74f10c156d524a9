"""The judged metrics: each as a bar between training images and noise, with its texts."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.sample_evaluator import sources
from components.sample_evaluator.places import widen
from components.sample_evaluator.report.texts import Explained, explain, number, percent, sharpness

PASSED, FAILED, LEFT_OUT = "passed", "failed", "left out"  # values of `status` in metrics.json
LOWEST, HIGHEST = -0.01, 1.0  # places at the ends of a bar; beyond, a mark stands at the end
TICKS = {"0": 0.0, "1%": 0.01, "5%": 0.05, "25%": 0.25, "100%": 1.0}
SPECTRUM = "spectrum_distance"
_COPIES = Explained(
    "Copies of training images",
    "The share of the samples that are nearer to a training image than nearly all held-out images "
    "are, as they are, mirrored or slightly shifted.",
)
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "max_worsening": "at most {} worse than the baseline",
}


class Bar(NamedTuple):
    """Where the marks of a bar are, in percent of its width; None if there is no such mark."""

    place: float
    low: float | None
    high: float | None
    limit: float | None
    best: float | None


class Judged(NamedTuple):
    """A metric that was judged, or left out.

    Attributes:
        name: of the metric.
        explained: what it measures; None if that is not known.
        status: PASSED, FAILED or LEFT_OUT; None if that is not known.
        bar: None if the metric has no place between training images and noise.
        values: what the bar shows, in words.
        alternative: every value, in words.
        sentences: on the outcome.
    """

    name: str
    explained: Explained | None
    status: str | None
    bar: Bar | None
    values: str
    alternative: str
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


def ticks() -> dict[str, float]:
    """Where the ticks of every bar are, by their text."""
    return {text: scale(place) for text, place in TICKS.items()}


def limits_of(metric: Mapping[str, Any]) -> list[str]:
    """The limits of a metric in words."""
    stated = [
        phrase.format(number(metric[name]))
        for name, phrase in _LIMITS.items()
        if metric[name] is not None
    ]
    if metric.get("max_place") is not None:
        stated.append(f"at most {percent(metric['max_place'])} of the way to noise")
    return stated


def failed(summary: Mapping[str, Any]) -> list[str]:
    """The names of the metrics that failed."""
    return [name for name, found in summary["metrics"].items() if found.get("status") == FAILED]


def copies_too_much(summary: Mapping[str, Any]) -> bool:
    """Whether more samples are copies than allowed."""
    found = summary["memorization"] or {}
    share, maximum = found.get(sources.CANDIDATE, {}).get("share"), found.get("maximum")
    return share is not None and maximum is not None and share > maximum


def judged_metrics(summary: Mapping[str, Any]) -> list[Judged]:
    """What was judged, failures first, and what was left out last."""
    order = (FAILED, PASSED, None, LEFT_OUT)
    found = [*_metrics(summary), *_copies(summary)]
    return sorted(found, key=lambda one: order.index(one.status))


def _metrics(summary: Mapping[str, Any]) -> Iterator[Judged]:
    for name, metric in summary["metrics"].items():
        status = metric.get("status")
        unknown = status is None and limits_of(metric)
        if not unknown and status not in (PASSED, FAILED, LEFT_OUT):
            continue
        values = _places(name, metric) or _values(metric)
        spectrum = sharpness(summary.get("spectrum")) if name == SPECTRUM else None
        yield Judged(
            name,
            explain(name),
            status,
            _bar(name, metric),
            values,
            f"{name}: {'; '.join(dict.fromkeys([values, _values(metric)]))}.",
            [text for text in (spectrum, metric.get("sentence")) if text],
        )


def _places(name: str, metric: Mapping[str, Any]) -> str:
    """The places of a metric in words; empty if it has none."""
    if metric.get("place") is None:
        return ""
    text = f"{percent(metric['place'])} of the way to noise"
    if metric.get("place_margin") is not None:
        text += f" ± {percent(metric['place_margin'])}"
    limit = _limit(name, metric)
    others = {"limit": limit, "best earlier model": metric.get("best_place")}
    return "; ".join(
        [text, *(f"{other} {percent(v)}" for other, v in others.items() if v is not None)]
    )


def _values(metric: Mapping[str, Any]) -> str:
    """The values of a metric in words."""
    names = {
        sources.CANDIDATE: "value",
        sources.BASELINE: "baseline",
        sources.TRAIN: "training images",
        sources.NOISE: "noise",
        sources.SOURCE: "the sources themselves",
        sources.OTHER: "other held-out images",
        sources.MEAN_ANSWER: "mean of several answers",
    }
    found = [
        f"{text} {number(metric[key])}"
        for key, text in names.items()
        if metric.get(key) is not None
    ]
    return "; ".join([*found, *limits_of(metric)])


def _limit(name: str, metric: Mapping[str, Any]) -> float | None:
    """The lowest limit of the place; limits of the value are converted."""
    found = [metric.get("max_place")]
    floor, noise = metric[sources.TRAIN], metric[sources.NOISE]
    if floor is not None and noise is not None and floor != noise:
        values, span = (metric["minimum"], metric["maximum"]), widen(name, noise - floor)
        found += [(value - floor) / span for value in values if value is not None]
    return min((one for one in found if one is not None), default=None)


def _bar(name: str, metric: Mapping[str, Any]) -> Bar | None:
    place, margin = metric.get("place"), metric.get("place_margin")
    if place is None:
        return None
    ends = (None, None) if margin is None else (scale(place - margin), scale(place + margin))
    others = (_limit(name, metric), metric.get("best_place"))
    return Bar(scale(place), *ends, *(None if one is None else scale(one) for one in others))


def _copies(summary: Mapping[str, Any]) -> Iterator[Judged]:
    found = summary["memorization"] or {}
    candidate, maximum = found.get(sources.CANDIDATE), found.get("maximum")
    if not candidate or candidate["share"] is None or maximum is None:
        return
    share, mirrored = candidate["share"], candidate.get("mirrored_share")
    values = f"{percent(share)} of the samples; limit {percent(maximum)}"
    if share and mirrored is not None:
        values += f"; {percent(mirrored)} of the copies are mirrored"
    yield Judged(
        "memorization",
        _COPIES,
        FAILED if share > maximum else PASSED,
        Bar(scale(share), None, None, scale(maximum), None),
        values,
        f"memorization: {values}.",
        [],
    )
