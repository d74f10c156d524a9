"""What `iadb spans` and `iadb history` print: a line a span, a line an attempt."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.registry.journal import Attempt, Outcome
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
    """What became of a span, and what is to come, in a few words."""
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
    table = _table()
    table.add_column("span", justify="right")
    table.add_column("folder")
    table.add_column("images", justify="right")
    table.add_column("state")
    for span in spans:
        images = "–" if span.images is None else f"{span.images:,}"
        folder = escape(span.folder) or "–"
        table.add_row(str(span.number), folder, images, escape(describe_span(span)))
    console.print(table)


def print_attempts(console: Console, attempts: Sequence[Attempt]) -> None:
    """Prints checks for new data, and what came of them."""
    table = _table()
    table.add_column("check", justify="right")
    table.add_column("started", no_wrap=True)
    table.add_column("cause")
    table.add_column("tries", justify="right")
    table.add_column("outcome")
    table.add_column("message")
    for attempt in attempts:
        outcome = attempt.outcome or "under way, or cut off"
        color = COLORS.get(attempt.outcome, "default")
        table.add_row(
            str(attempt.number),
            f"{attempt.started.astimezone():%Y-%m-%d %H:%M}",
            escape(attempt.cause),
            str(attempt.tries),
            f"[{color}]{outcome}[/]",
            escape(attempt.message or attempt.found.get("text", "")),
        )
    console.print(table)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
