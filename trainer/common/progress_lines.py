"""Prints the progress of some work from time to time: for logs, files and pipes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trainer.common.phases import Phases
from trainer.common.progress import listening

LINE_SECONDS = 30.0  # between two lines


def print_line(line: str) -> None:
    """Prints a line that appears at once, also in a pipe."""
    print(f"  {line}", flush=True)


@contextmanager
def printing(
    title: str,
    write: Callable[[str], None] = print_line,
) -> Iterator[Phases]:
    """Writes a line on the work in the block every LINE_SECONDS, whether or not it reports.

    Args:
        title: of the work.
        write: receives each line, in a thread of its own.

    Yields:
        The phases of the work.
    """
    phases = Phases(title)
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(LINE_SECONDS):
            write(phases.describe())

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        with listening(phases):
            yield phases
    finally:
        ended.set()
        thread.join()
