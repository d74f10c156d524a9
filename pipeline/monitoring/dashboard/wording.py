"""Texts of the pages: outcomes and verdicts as a sign and a phrase, numbers, times, names."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.monitoring.dashboard.collect import Overview
from pipeline.registry import lineage
from pipeline.registry.history import Event, run_event
from pipeline.registry.names import Decision, Outcome
from trainer.common.text import printable


class Words(NamedTuple):
    """The text for an outcome or a verdict.

    Attributes:
        sign: one character; outcomes that call for different actions have different ones.
        text: a phrase.
        tone: CSS class: good, bad, quiet or empty.
    """

    sign: str
    text: str
    tone: str


LIMITS = (
    ("minimum", "≥ {}"),
    ("maximum", "≤ {}"),
    ("max_place", "place ≤ {}"),
    ("max_worsening", "≤ {} worse"),
)
# The most serious first.
OUTCOMES = {
    Outcome.FAILED: Words("!", "failed", "bad"),
    Outcome.TIMED_OUT: Words("!", "timed out", "bad"),
    Outcome.HELD: Words("‖", "data held for review", "bad"),
    Outcome.INTERRUPTED: Words("÷", "interrupted", "bad"),
    None: Words("…", "cut off", "bad"),
    Decision.ROLLED_BACK: Words("□", "rolled back", "bad"),
    Decision.PROMOTED: Words("▲", "promoted", "good"),
    Outcome.BLESSED: Words("✓", "blessed", "good"),
    Outcome.NOT_BLESSED: Words("✗", "not blessed; live model unchanged", ""),
    Outcome.BUSY: Words("·", "skipped: workspace busy", "quiet"),
    Outcome.TOO_FEW: Words("·", "too few new images", "quiet"),
    Outcome.NOTHING_NEW: Words("·", "nothing new", "quiet"),
}
_NEWEST_WITHOUT_END = Words("…", "running, or cut off", "")

VERDICTS = {
    "withdrawn": Words("□", "withdrawn", "bad"),
    "promoted": Words("▲", "promoted", "good"),
    "blessed": Words("●", "blessed", "good"),
    "not blessed": Words("✗", "not blessed", ""),
    "not judged": Words("–", "not judged", "quiet"),
}


def words_of(event: Event, overview: Overview) -> Words:
    """The outcome of an event. Without an end it was cut off, but the newest may be running."""
    if event.outcome is None and event in (overview.last_check, overview.last_run):
        return _NEWEST_WITHOUT_END
    return OUTCOMES[event.outcome]


def kind_of(event: Event) -> str:
    """What an event is, in words."""
    return f"check {event.number}" if event.number else event.cause


def place_of(event: Event) -> str:
    """The id of an event on the page of the history."""
    if event.number:
        return f"check-{event.number}"
    return f"{event.cause}-{event.started:%Y%m%d%H%M%S%f}"


def found_text(event: Event) -> str:
    """What a check found, in one line; empty if it could not read the data, or is no check."""
    return event.found.get("text", "")


def result_text(event: Event) -> str:
    """The message of an event without what a check found, which the message begins with."""
    text = event.message.removeprefix(found_text(event)).removeprefix("; ")
    return f"{text} ({event.tries} tries)" if event.tries > 1 else text


def limits_text(metric: str, configuration: Mapping[str, Any]) -> str:
    """The limits of a metric in a configuration; a dash without any."""
    prefix = f"evaluate.thresholds.{metric}"
    values = [(text, configuration.get(f"{prefix}.{limit}")) for limit, text in LIMITS]
    found = [text.format(number(value)) for text, value in values if value is not None]
    return ", ".join(found) or "–"


def setting_text(value: Any) -> str:
    """A value of a configuration as in YAML, in one line."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def breakable(name: str) -> Markup:
    """A name that may be broken after its separators."""
    text = re.sub("([_@.]|(?<=[a-z])(?=[A-Z]))", "\\1\0", printable(name))
    return Markup("<wbr>").join(text.split("\0"))


def run_state(run: lineage.Run, overview: Overview) -> Words:
    """How a run ended: done, whatever the verdict, or else its outcome; the newest may not have."""
    outcome = run_event(run).outcome
    if outcome in (Outcome.BLESSED, Outcome.NOT_BLESSED):
        return Words("✓", "done", "good")
    if outcome is None and run.id == overview.runs[-1].id:
        return _NEWEST_WITHOUT_END
    return Words("✗", outcome or Outcome.INTERRUPTED, "bad")


def span_name(span: int | None, overview: Overview) -> str:
    """The name of a span."""
    if span is None:
        return "all images"
    return f"span {span}" if overview.has_spans else "the folder"


def age(then: datetime, now: datetime) -> str:
    """The time that has passed, in words."""
    seconds = (now - then).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 2 or (count == 1 and unit != "day"):
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def escaped(value: Any) -> Any:
    """Makes control characters visible, including those that change the direction of text."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None) -> str:
    """A number with four digits."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def thousands(value: int | None) -> str:
    """A count with thousands separators."""
    return "–" if value is None else f"{value:,}"


def time(value: datetime) -> str:
    """A time to the minute."""
    return f"{value:%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """A duration, rounded to seconds below a minute and to minutes above."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
