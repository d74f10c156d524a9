"""Numbers and limits as words of the report."""

from collections.abc import Mapping
from typing import Any

from components.sample_evaluator import sources

_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "max_worsening": "at most {} worse than the baseline",
}


def number(value: float | None) -> str:
    """Four significant digits."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def percent(share: float | None) -> str:
    """A share as a percentage with two significant digits, or all those before the point."""
    if share is None:
        return "–"
    value = 100 * share
    return (f"{value:.0f}%" if abs(value) >= 10 else f"{value:.2g}%").replace("-", "−")


def phrases_of(metric: Mapping[str, Any]) -> list[str]:
    """The place of a metric, or its value if it has none, its limits, and the best earlier place.

    Args:
        metric: one of `metrics` in metrics.json.
    """
    place, error, best = (metric[key] for key in ("place", "place_margin", "best_place"))
    found = [f"value {number(metric[sources.CANDIDATE])}"]
    if place is not None:
        found = [f"{percent(place)} ± {percent(error)} of the way to noise"]
    if metric["max_place"] is not None:
        found.append(f"at most {percent(metric['max_place'])} of the way")
    found += [
        phrase.format(number(metric[field]))
        for field, phrase in _LIMITS.items()
        if metric[field] is not None
    ]
    return found + ([f"best earlier model {percent(best)}"] if best is not None else [])
