"""Raises Ctrl-C and SIGTERM, which a preempted pod receives, as exceptions that cannot get lost."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from trainer.common.exit_codes import TERMINATED

_raised: list[int] = []  # signals since the outermost block began


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raises KeyboardInterrupt on SIGINT, SystemExit(TERMINATED) on SIGTERM; in the main thread.

    Libraries lose some of these exceptions, or raise others in their place: in a bare `except:`, in
    a destructor, in a function that C++ calls. What was lost is raised again by `raise_lost_stop`
    and at the end of the block, so that Python need not print what a destructor lost.
    An ignored SIGINT, as in a shell's background, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    outermost = before[signal.SIGTERM] is not _stop
    if before[signal.SIGINT] is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
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
        _raise(_raised[-1])


def find_stop(error: BaseException | None) -> KeyboardInterrupt | SystemExit | None:
    """Finds the Ctrl-C or SIGTERM (as SystemExit) that led to an error, if one did.

    Beam wraps whatever is raised while it calls a function in a RuntimeError.
    """
    found = error
    while found and not isinstance(found, KeyboardInterrupt) and not _is_terminated(found):
        found = found.__cause__ or found.__context__
    return found


def _is_terminated(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code == TERMINATED


def _stop(number: int, frame: FrameType | None) -> None:
    _raised.append(number)
    _raise(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(TERMINATED)
