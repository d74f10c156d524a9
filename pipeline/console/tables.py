"""Tables that fit the terminal; in a file or a pipe, they are as wide as their content."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column as RichColumn
from rich.table import Table
from rich.text import Text

from trainer.common.files import discard

UNLIMITED = 100_000  # characters: wider than any table
GAP = 2  # spaces between columns
TEXT_WIDTH = 18  # characters: sentences in a narrower column cannot be read


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: its name.
        right: whether it is aligned to the right, as numbers are.
        wraps: to how many characters its text may be wrapped; 0 if it is never wrapped.
        optional: a terminal that is too narrow leaves out the columns with the highest values; 0 is
            always shown.
    """

    header: str
    right: bool = False
    wraps: int = 0
    optional: int = 0


def number(header: str, optional: int = 0) -> Column:
    """A column of numbers."""
    return Column(header, right=True, optional=optional)


def text(header: str, optional: int = 0) -> Column:
    """A column of sentences or long names."""
    return Column(header, wraps=TEXT_WIDTH, optional=optional)


def cell(value: object, form: str = "") -> str:
    """The text of a cell: the value in a format, escaped, or a dash for None."""
    return "–" if value is None else escape(f"{value:{form}}")


def metrics_cell(names: Collection[str], values: Mapping[str, float]) -> str:
    """The named metrics with their values, as far as there are any; else a dash."""
    found = [f"{name} {values[name]:.4f}" for name in names if name in values]
    return cell(", ".join(found) or None)


def make_console() -> Console:
    """A console on standard output; if that is not a terminal, lines have no limit."""
    console = _Console(highlight=False, emoji=False)
    if console.is_terminal:
        return console
    return _Console(highlight=False, emoji=False, width=UNLIMITED)


class _Console(Console):
    """A console whose reader may leave, as `head` does: a run then goes on without it."""

    def on_broken_pipe(self) -> None:
        """Discards what follows, in place of ending the process."""
        self.quiet = True
        discard(self.file.fileno())


def print_table(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int = 0
) -> None:
    """Prints a table as wide as the console allows.

    In a narrow terminal, texts are wrapped and optional columns left out, which a last line then
    names. If that is not enough, each row is printed as lines of `header  value`.

    Args:
        console: to print on.
        columns: of the table; the first one is always shown.
        rows: the cells of each row, in rich's markup (`cell` escapes values).
        indent: spaces before each line.
    """
    widths = [
        max(
            Text.from_markup(each, emoji=False).cell_len for each in (escape(column.header), *cells)
        )
        for column, *cells in zip(columns, *rows, strict=True)
    ]
    least = [
        min(width, column.wraps) if column.wraps else width
        for column, width in zip(columns, widths, strict=True)
    ]
    shown = list(range(len(columns)))
    while sum(least[i] + GAP for i in shown) - GAP > console.width - indent:
        last = max(shown, key=lambda i: columns[i].optional)
        if not columns[last].optional:
            _print_stacked(console, columns, rows, indent)
            return
        shown.remove(last)
    table = Table(
        *(
            RichColumn(
                escape(columns[i].header),
                justify="right" if columns[i].right else "left",
                min_width=least[i],
                no_wrap=not columns[i].wraps,
                overflow="fold",
            )
            for i in shown
        ),
        box=None,
        pad_edge=False,
        padding=(0, GAP, 0, 0),
        header_style="dim",
    )
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    console.print(Padding(table, (0, 0, 0, indent), expand=False))
    if left_out := [column.header for i, column in enumerate(columns) if i not in shown]:
        console.print(
            Padding(f"[dim]too narrow for: {escape(', '.join(left_out))}[/]", (0, 0, 0, indent))
        )


def _print_stacked(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int
) -> None:
    for row in rows:
        table = Table.grid(RichColumn(style="dim"), RichColumn(overflow="fold"), padding=(0, GAP))
        for column, value in zip(columns, row, strict=True):
            table.add_row(escape(column.header), value)
        console.print(Padding(table, (0, 0, 1, indent), expand=False))
