"""How things are told: outcomes and verdicts in a sign and a phrase, figures, times, names."""

from datetime import datetime
from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.monitoring.dashboard.collect import Overview, TrainedModel
from pipeline.registry import lineage
from pipeline.registry.journal import Attempt, Outcome
from trainer.common.text import printable


class Words(NamedTuple):
    """How an outcome is told.

    Attributes:
        sign: one character, different for what a person must tell apart without color.
        text: a phrase.
        tone: CSS class: good, bad or quiet; empty for none of these.
    """

    sign: str
    text: str
    tone: str


# The gravest first.
OUTCOMES = {
    Outcome.FAILED: Words("!", "failed", "bad"),
    Outcome.TIMED_OUT: Words("!", "took too long and was ended", "bad"),
    Outcome.HELD: Words("‖", "data held for a person", "bad"),
    Outcome.INTERRUPTED: Words("÷", "interrupted", "bad"),
    None: Words("…", "cut off", "bad"),
    Outcome.BLESSED: Words("✓", "blessed", "good"),
    Outcome.NOT_BLESSED: Words("✗", "not blessed, the live model stays", ""),
    Outcome.BUSY: Words("·", "gave way to another run", "quiet"),
    Outcome.TOO_FEW: Words("·", "too few new images", "quiet"),
    Outcome.NOTHING_NEW: Words("·", "nothing new", "quiet"),
}
_NEWEST_UNENDED = Words("…", "running, or cut off", "")

VERDICTS = {
    "withdrawn": Words("□", "withdrawn", "bad"),
    "promoted": Words("▲", "promoted", "good"),
    "blessed": Words("●", "blessed", "good"),
    "not blessed": Words("✗", "not blessed", ""),
    "not judged": Words("–", "not judged", "quiet"),
}


def verdict_of(trained: TrainedModel) -> str:
    """What became of a model, of VERDICTS."""
    model = trained.model
    if model.withdrawn:
        return "withdrawn"
    if model.promoted:
        return "promoted"
    return {None: "not judged", True: "blessed", False: "not blessed"}[model.blessed]


def words_of(attempt: Attempt, overview: Overview) -> Words:
    """How an attempt ended. One without an end was cut off, but the newest may be running."""
    if attempt.outcome is None and attempt is overview.attempts[-1]:
        return _NEWEST_UNENDED
    return OUTCOMES[attempt.outcome]


def found_text(attempt: Attempt) -> str:
    """What a look for new data has found, as a line."""
    return attempt.found.get("text", "")  # what could not even be looked for has none


def result_text(attempt: Attempt) -> str:
    """What came of an attempt, without what it has found, which its message begins with."""
    return attempt.message.removeprefix(found_text(attempt)).removeprefix("; ")


def run_state(run: lineage.Run) -> str:
    """How a run ended: done, failed or interrupted."""
    states = {node.state for node in run.nodes}
    return next((state for state in ("failed", "interrupted") if state in states), "done")


def span_name(span: int | None, overview: Overview) -> str:
    """A span as it is told."""
    if span is None:
        return "all images"
    return f"span {span}" if overview.has_spans else "the folder"


def age(then: datetime, now: datetime) -> str:
    """How long ago something was, in words."""
    seconds = (now - then).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 2 or (count == 1 and unit != "day"):
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def escaped(value: Any) -> Any:
    """Shows control characters, and what turns the direction of text, in place of doing them."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None) -> str:
    """A figure with four digits."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def time(value: datetime) -> str:
    """A time to the minute."""
    return f"{value:%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """A time span, the coarser the longer."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
