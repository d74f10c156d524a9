"""Progress of long work: what a process is doing, for those who listen in the same process.

Work consists of phases. A phase has a name that users read, and may have a count of what is done
and of what there is to do. Where nobody listens, a report has no effect.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

TRAINING = "training"  # the phase of a network's training, in steps


class Report(NamedTuple):
    """What changed in a phase.

    Attributes:
        phase: its name.
        entered: 1 when a block of it begins, -1 when the block ends, 0 otherwise.
        expected: units that are added to its total.
        done: units that were done.
        unit: what is counted, in the plural.
        note: shown beside the count, for example the loss.
    """

    phase: str
    entered: int = 0
    expected: int = 0
    done: int = 0
    unit: str = "images"
    note: str = ""


Listener = Callable[[Report], None]  # called in the thread that does the work

_listeners: list[Listener] = []


def report(change: Report) -> None:
    """Passes a report to all listeners."""
    for listener in tuple(_listeners):
        listener(change)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Reports that the block is a part of a phase; blocks may be nested and run in threads."""
    report(Report(name, entered=1))
    try:
        yield
    finally:
        report(Report(name, entered=-1))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls the listener for all reports during the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
