"""Progress of the work on images, for listeners in the same process.

Beam's own metrics are available only after a pipeline has finished. On a runner that works in
other processes there are no listeners, and nothing is reported.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from absl import logging

DECODED, FEATURES, SAMPLED = "decoded", "features", "sampled"  # kinds of work
LOG_SECONDS = 10


class Listener(Protocol):
    """Receives the progress, in any thread."""

    def expect(self, kind: str, images: int) -> None:
        """So many images more will be worked on."""

    def __call__(self, kind: str, images: int, seconds: float) -> None:
        """The work on so many images is done."""


_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls the listener for all work that is announced or ends inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def expect(kind: str, images: int) -> None:
    """Announces work on so many images, which `counted` will count."""
    for listener in _listeners:
        listener.expect(kind, images)


@contextmanager
def counted(kind: str, images: int) -> Iterator[None]:
    """Counts and times the work on so many images inside the block."""
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    for listener in _listeners:
        listener(kind, images, seconds)


class ProgressLog:
    """A listener that logs images done, images/s and time left, every LOG_SECONDS at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._started = self._logged = time.monotonic()

    def expect(self, kind: str, images: int) -> None:
        """Adds images to the total."""
        with self._lock:
            self._total[kind] += images

    def __call__(self, kind: str, images: int, seconds: float) -> None:
        """Counts images."""
        with self._lock:
            self._done[kind] += images
            now = time.monotonic()
            if now - self._logged < LOG_SECONDS:
                return
            self._logged = now
            done, total = self._done[kind], self._total[kind]
            rate = done / (now - self._started)
        logging.info(
            "%s %s of %s images, %s/s, %s s left",
            *(kind.capitalize(), f"{done:,}", f"{total:,}", f"{rate:,.0f}"),
            f"{(total - done) / rate:,.0f}",
        )
