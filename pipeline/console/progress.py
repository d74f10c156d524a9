"""Shows the progress of long work: bars on a terminal, elsewhere a line from time to time."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Column, Table

from trainer.common.phases import Phase, Phases
from trainer.common.progress import listening
from trainer.common.progress_lines import printing

REFRESHES = 8  # per second
BAR_WIDTHS = range(10, 31, 5)  # characters; steps, so that it seldom changes with the text


@contextmanager
def showing(console: Console, title: str) -> Iterator[Phases]:
    """Shows what the work in the block reports through trainer/common/progress.py.

    Args:
        console: to show it on.
        title: of the work.

    Yields:
        The phases of the work.
    """
    if not console.is_terminal or console.is_dumb_terminal:

        def write(line: str) -> None:
            console.print(f"  {escape(line)}", soft_wrap=True)

        with printing(title, write) as phases:
            yield phases
        return
    phases = Phases(title)
    spinner = Spinner("dots")

    def render() -> RenderableType:
        spinner.update(text=escape(phases.headline()))
        return Group(spinner, *(_line(phase, console.width) for phase in phases.unfinished()))

    # Standard error belongs to the log (pipeline/logs.py).
    with (
        Live(
            get_renderable=render,
            console=console,
            refresh_per_second=REFRESHES,
            transient=True,
            redirect_stderr=False,
        ),
        listening(phases),
    ):
        yield phases


def _line(phase: Phase, width: int) -> Table:
    """A phase in one line; in a narrow terminal without a bar, then in several lines."""
    text = phase.describe()
    line = Table.grid(Column(no_wrap=True), padding=(0, 2, 0, 0))
    cells: list[RenderableType] = [f"  {escape(phase.name)}"]
    room = width - len(phase.name) - len(text) - 6
    if phase.total and (fitting := [each for each in BAR_WIDTHS if each <= room]):
        line.add_column()
        # Fewer may be expected than there are.
        cells.append(ProgressBar(max(phase.total, phase.done), phase.done, width=fitting[-1]))
    line.add_column()
    line.add_row(*cells, escape(text))
    return line
