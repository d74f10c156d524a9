"""Which GPUs a process may use, as far as can be seen without TensorFlow."""

import glob
import os
from ctypes.util import find_library
from importlib.util import find_spec

VISIBLE = "CUDA_VISIBLE_DEVICES"
HIDDEN = "-1"
DEVICES = "/dev/nvidia[0-9]*"
CUDA_LIBRARIES = ("nvidia", "cudnn")  # a package, and a library of the system


def find() -> str | None:
    """Returns the GPUs that this process may use, as CUDA_VISIBLE_DEVICES; None without one."""
    visible = os.environ.get(VISIBLE)
    devices = glob.glob(DEVICES)
    if visible in ("", HIDDEN) or not devices:
        return None
    return visible or ",".join(str(index) for index in range(len(devices)))


def has_libraries() -> bool:
    """Whether there are CUDA libraries, without which TensorFlow does not compute on a GPU."""
    package, library = CUDA_LIBRARIES
    return bool(find_spec(package) or find_library(library))
