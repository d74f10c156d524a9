"""Numbers as words of the report."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.sample_evaluator import sources

DETAIL_CHANGE = 0.1  # of the power at the finest scales: less is neither blur nor grain
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "max_worsening": "at most {} worse than the baseline",
}


def number(value: float | None) -> str:
    """Four significant digits."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def numbers(values: Mapping[str, float | None], names: Iterable[str]) -> list[str]:
    """The values of some names."""
    return [number(values.get(name)) for name in names]


def whole(value: float | None) -> str:
    """A number without decimals."""
    return number(None) if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share as a percentage with two significant digits, or all those before the point."""
    if share is None:
        return "–"
    value = 100 * share
    return (f"{value:.0f}%" if abs(value) >= 10 else f"{value:.2g}%").replace("-", "−")


def limits_of(metric: Mapping[str, Any]) -> list[str]:
    """The limits of a metric in words."""
    found = [
        phrase.format(number(metric[field]))
        for field, phrase in _LIMITS.items()
        if metric[field] is not None
    ]
    if metric["max_place"] is not None:
        found.append(f"at most {percent(metric['max_place'])} of the way to noise")
    return found


def sharpness(spectrum: Mapping[str, Any] | None) -> str | None:
    """What the spectrum says about the candidate, as one sentence.

    The finest scales are the upper half of the frequencies. The power there is a mean of ratios,
    in which a single frequency counts little.
    """
    if not spectrum or not spectrum.get(sources.CANDIDATE):
        return None
    limit = spectrum["frequencies"][-1] / 2
    pairs = zip(spectrum["frequencies"], spectrum[sources.CANDIDATE], strict=True)
    finest = [power for frequency, power in pairs if frequency >= limit and power is not None]
    if not finest:
        return None
    power = sum(finest) / len(finest)
    stated = f"{percent(power)} of its detail (power) at the finest scales"
    if power < 1 - DETAIL_CHANGE:
        return f"Blurrier than the data: {stated}."
    if power > 1 + DETAIL_CHANGE:
        return f"More grain or sharper edges than the data: {stated}."
    return f"As sharp as the data: {stated}."
