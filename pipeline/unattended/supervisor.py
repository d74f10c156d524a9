"""Runs a command as a child process that has a time limit and does not outlive this process."""

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from pipeline import failures

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_LIBC = ctypes.CDLL(None)  # at import: loading is not safe between fork and exec
GRACE_SECONDS = 120.0  # from SIGTERM to SIGKILL, for the child to save its state
DRAIN_SECONDS = 5.0  # wait for the last output; an orphan of the child may hold the pipe open
MAX_LINE = 500  # characters


@dataclass(frozen=True)
class Ended:
    """How a child process ended.

    Attributes:
        code: its exit code; 128 plus the number of the signal that killed it.
        reason: the last line that it wrote to standard error, else how it ended.
        timed_out: whether it was terminated for exceeding the time limit.
    """

    code: int
    reason: str
    timed_out: bool = False


def supervise(
    command: Sequence[str], timeout: float | None = None, grace: float = GRACE_SECONDS
) -> Ended:
    """Runs a command in a process group of its own; it shares the output of this process.

    Args:
        command: program and arguments.
        timeout: seconds until SIGTERM; None for no limit.
        grace: seconds from SIGTERM to SIGKILL.

    Raises:
        KeyboardInterrupt, SystemExit: this process was interrupted. The child received the same
            signal and has ended.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,  # Ctrl-C reaches it once, through this process
        preexec_fn=functools.partial(_die_with_parent, os.getpid()),
    )
    last = _LastLine(child.stderr)
    last.start()
    timed_out = False
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        _end(child, signal.SIGTERM, grace)
    except (KeyboardInterrupt, SystemExit) as stop:
        interrupted = isinstance(stop, KeyboardInterrupt)
        _end(child, signal.SIGINT if interrupted else signal.SIGTERM, grace)
        raise
    last.join(DRAIN_SECONDS)
    code = child.returncode
    if code == -signal.SIGKILL and not timed_out:
        return Ended(128 - code, failures.describe_kill())
    if code < 0:
        return Ended(128 - code, f"killed by {signal.Signals(-code).name}", timed_out)
    return Ended(code, last.text or f"ended with exit code {code}", timed_out)


def _die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent dies, so that no work outlives its lock.

    Args:
        parent: process id of the parent; if it is dead already, this process ends now.
    """
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _end(child: subprocess.Popen, with_signal: signal.Signals, grace: float) -> None:
    """Signals the child's process group, and kills it if it does not end in time."""
    if child.poll() is not None:
        return
    try:
        os.killpg(child.pid, with_signal)
        child.wait(grace)
    except BaseException as error:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


class _LastLine(threading.Thread):
    """Forwards the lines of a stream to standard error, keeps the last, and closes the stream.

    What the child leaves running may write to it longer than anyone waits.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.text = ""

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                with contextlib.suppress(OSError):  # a full disk; the child needs its pipe emptied
                    sys.stderr.write(line)
                    sys.stderr.flush()
                if line.strip():
                    text = line.strip().removeprefix("iadb: ")[:MAX_LINE]
                    self.text = "".join(c if c.isprintable() else "?" for c in text)
