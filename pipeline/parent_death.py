"""Has a process end with the one that started it, so that no work outlives its lock."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec, little is safe


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent dies.

    Args:
        parent: process id of the parent, which may have died already.
    """
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
