"""Ends a process together with its parent, so that no work outlives its lock."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_LIBC = ctypes.CDLL(None)  # at import: loading is not safe between fork and exec


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent dies.

    Args:
        parent: process id of the parent; if it is dead already, this process ends now.
    """
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
