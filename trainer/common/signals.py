"""Raises signals that end a process as exceptions that cannot get lost.

They are Ctrl-C, SIGTERM, which a preempted pod receives, and SIGHUP, of a terminal that was closed.
"""

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from trainer.common.exit_codes import TERMINATED
from trainer.common.files import discard

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds within which another one is the same: `timeout` sends each to a process and to its group.
SAME = 0.5

_raised: list[tuple[int, float]] = []  # signals since the outermost block began, and when they came


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raises KeyboardInterrupt on SIGINT, else SystemExit(TERMINATED); in the main thread.

    Libraries lose some of these exceptions, or raise others in their place: in a bare `except:`, in
    a destructor, in a function that C++ calls. What was lost is raised again by `raise_lost_stop`
    and at the end of the block, so that Python need not print what a destructor lost.
    An ignored SIGINT, as in a shell's background, stays ignored, and so does SIGHUP under nohup.
    A second signal raises again, so that what takes long to end can be ended, unless it follows at
    once. From a SIGHUP on, nothing is written to the terminal, where each line would fail.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    outermost = before[signal.SIGTERM] is not _stop
    if before[signal.SIGINT] is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    if before[signal.SIGHUP] is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _stop)
    signal.signal(signal.SIGTERM, _stop)
    print_unraisable = sys.unraisablehook
    if outermost:
        sys.unraisablehook = lambda lost: find_stop(lost.exc_value) or print_unraisable(lost)
    try:
        try:
            yield
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt | SystemExit):
                raise_lost_stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = print_unraisable
        if outermost:
            _raised.clear()


def raise_lost_stop() -> None:
    """Raises the exception of a signal again if one came and the block still goes on."""
    if _raised:
        _raise(_raised[-1][0])


def raise_stop(error: BaseException) -> None:
    """Raises the exception of the signal behind an error, if there is one.

    It is in the chain of the error, or came before and was lost: C++ that calls Python raises an
    error of its own in its place.
    """
    if stop := find_stop(error):
        raise stop from None
    raise_lost_stop()


def find_stop(error: BaseException | None) -> KeyboardInterrupt | SystemExit | None:
    """Finds the Ctrl-C or other signal (as SystemExit) that led to an error, if one did.

    Beam wraps whatever is raised while it calls a function in a RuntimeError.
    """
    found = error
    while found and not isinstance(found, KeyboardInterrupt) and not _is_terminated(found):
        found = found.__cause__ or found.__context__
    return found


def _is_terminated(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code == TERMINATED


def _stop(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        _leave_terminal()
        if _raised:  # by the terminal, its shell or the system before: what saves must go on
            return
    now = time.monotonic()
    if _raised and now - _raised[-1][1] < SAME:
        return
    _raised.append((number, now))
    _raise(number)


def _leave_terminal() -> None:
    """Discards what is written to standard output and error where these are a terminal."""
    for stream in (1, 2):
        with suppress(OSError):  # a stream that is closed
            if stat.S_ISCHR(os.fstat(stream).st_mode):
                discard(stream)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(TERMINATED)
