"""Tables of `iadb spans` and `iadb history`: one line per span, one line per check."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column

from pipeline.registry.journal import Attempt, Outcome
from pipeline.terminal import cell, make_table, number_column
from pipeline.unattended.new_data import SpanState

COLORS = {
    Outcome.BLESSED: "green",
    Outcome.NOT_BLESSED: "yellow",
    Outcome.HELD: "yellow",
    Outcome.FAILED: "red",
    Outcome.TIMED_OUT: "red",
    Outcome.INTERRUPTED: "red",
}


def describe_span(span: SpanState) -> str:
    """The state of a span in a few words: what was trained, what is new."""
    if span.held and not span.held.released:
        return f"held: {span.held.reason}"
    if span.images is None:
        return "excluded"
    words = ["trained"] if span.trained else []
    if span.new:
        words.append(f"{span.new:,} {'late' if span.late else 'new'}")
    if span.held:
        words.append("released")
    if not span.in_window:
        words.append("outside data.window")
    return ", ".join(words) or "empty"


def print_spans(console: Console, spans: Sequence[SpanState]) -> None:
    """Prints the spans of a data folder."""
    table = make_table(number_column("span"), "folder", number_column("images"), "state")
    for span in spans:
        folder = cell(span.folder or None)
        table.add_row(cell(span.number), folder, cell(span.images, ","), cell(describe_span(span)))
    console.print(table)


def print_attempts(console: Console, attempts: Sequence[Attempt]) -> None:
    """Prints checks for new data and their results."""
    started = Column("started", no_wrap=True)
    table = make_table(
        number_column("check"), started, "cause", number_column("tries"), "outcome", "message"
    )
    for attempt in attempts:
        outcome = attempt.outcome or "under way, or cut off"
        color = COLORS.get(attempt.outcome, "default")
        table.add_row(
            cell(attempt.number),
            cell(attempt.started.astimezone(), "%Y-%m-%d %H:%M"),
            cell(attempt.cause),
            cell(attempt.tries),
            f"[{color}]{outcome}[/]",
            cell(attempt.message or attempt.found.get("text", "")),
        )
    console.print(table)
