"""Raises SIGTERM, which a preempted pod receives, as an exception, so that state can be saved."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trainer.common.exit_codes import TERMINATED


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turns SIGTERM into SystemExit(TERMINATED) in the main thread; does nothing in others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
