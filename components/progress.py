"""How far the work on images is, for whoever watches it from the same process.

Beam's own metrics can be asked for when a pipeline has ended. On a runner that works in other
processes nobody listens, and nothing is told.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DECODED, FEATURES, SAMPLED = "decoded", "features", "sampled"  # kinds of work

Listener = Callable[[str, int, float], None]  # is told kind of work, images, seconds

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tells the listener of all work that ends inside, in the thread that does it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def counted(kind: str, images: int) -> Iterator[None]:
    """Counts and times what is done inside for so many images."""
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    for listener in _listeners:
        listener(kind, images, seconds)
