"""Progress of the work on images, for listeners in the same process.

Beam's own metrics are available only after a pipeline has finished. On a runner that works in
other processes there are no listeners, and nothing is reported.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DECODED, FEATURES, SAMPLED = "decoded", "features", "sampled"  # kinds of work

Listener = Callable[[str, int, float], None]  # called with kind of work, images, seconds

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls the listener for all work that ends inside the block, in the thread that does it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def counted(kind: str, images: int) -> Iterator[None]:
    """Counts and times the work on so many images inside the block."""
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    for listener in _listeners:
        listener(kind, images, seconds)
