"""What was judged: each metric as a bar between training images and noise, with its texts."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from components.features.options import SEARCH_SPACE
from components.metrics import AT_HOLDOUT, get_metric
from components.sample_evaluator import sources
from components.sample_evaluator.report.spectrum import sharpness
from components.sample_evaluator.report.texts import percent, phrases_of
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
_COPIES = (
    "Copies of training images",
    "The share of the samples that are nearer to a training image than nearly all held-out images "
    f"are, as they are, mirrored or slightly shifted, in the feature space {SEARCH_SPACE.name}.",
)


class Judged(NamedTuple):
    """A metric that was judged, or left out.

    Attributes:
        name: of the metric.
        title: a few words.
        measures: a sentence.
        outcome: KEPT, MISSED or LEFT_OUT.
        marks: where those of the bar are, in percent of its width: place, limit, best, low and
            high, as far as there are any; empty without a place between floor and noise.
        values: what was measured, and the limits, in words.
        sentences: on the outcome.
    """

    name: str
    title: str
    measures: str
    outcome: str
    marks: Mapping[str, float]
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
        if name == SPECTRUM and sources.CANDIDATE in (summary["spectrum"] or {}):
            said.insert(0, sharpness(summary["spectrum"]))
        if name == COPIES:
            texts, (marks, values) = _COPIES, _copies(summary["memorization"] or {})
        else:
            metric = get_metric(name)
            beside = ", beside data.holdout" if name.endswith(AT_HOLDOUT) else ""
            texts = (metric.title + beside, metric.measures)
            marks = _marks(name, summary["metrics"][name])
            values = phrases_of(summary["metrics"][name])
        places = {mark: scale(place) for mark, place in marks.items() if place is not None}
        sentences = list(dict.fromkeys(said))
        shown.append(Judged(name, *texts, outcome, places, "; ".join(values), sentences))
    return sorted(shown, key=lambda one: (MISSED, KEPT, LEFT_OUT).index(one.outcome))


def _marks(name: str, metric: Mapping[str, Any]) -> dict[str, float | None]:
    """The places that a bar marks; the limit is the strictest one, also of the value."""
    place, error, floor = (metric[key] for key in ("place", "place_margin", sources.TRAIN))
    if place is None:
        return {}
    span = get_metric(name).widen(metric[sources.NOISE] - floor)
    bounds = [metric[bound] for bound in ("minimum", "maximum")]
    limits = [metric["max_place"], *(b if b is None else (b - floor) / span for b in bounds)]
    limit = min((one for one in limits if one is not None), default=None)
    marks = {"place": place, "low": place - error, "high": place + error}
    return {**marks, "limit": limit, "best": metric["best_place"]}


def _copies(memorization: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """The bar of the copies, and what was found of them."""
    found = memorization.get(sources.CANDIDATE)
    if not found:
        return {}, []
    share, limit = found["share"], memorization["maximum"]
    values = [f"{percent(share)} of the samples", f"at most {percent(limit)}"]
    if share:
        values.append(f"{percent(found['mirrored_share'])} of the copies are mirrored")
    if baseline := memorization.get(sources.BASELINE):
        values.append(f"baseline {percent(baseline['share'])}")
    nearness = percent(found["distance_ratio"])
    values.append(f"nearest training images at {nearness} of the distance of held-out images")
    return {"place": share, "limit": limit}, values
