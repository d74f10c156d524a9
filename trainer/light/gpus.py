"""Which GPUs a process may use, as far as can be seen without TensorFlow."""

import ctypes
import glob
import os
from ctypes.util import find_library
from importlib.util import find_spec

VISIBLE = "CUDA_VISIBLE_DEVICES"
HIDDEN = "-1"
GIVEN = "IADB_GPUS"  # how many GPUs a pod was given
DEVICES = "/dev/nvidia[0-9]*"
DRIVER = "libcuda.so.1"
WSL_DRIVER = f"/usr/lib/wsl/lib/{DRIVER}"  # of a GPU that Windows shares, without such a device
CUDA_LIBRARIES = ("nvidia", "cudnn")  # a package, and a library of the system
MISSING_LIBRARIES = (
    "TensorFlow finds no CUDA libraries, the GPU stays idle: in the folder of the project, run "
    ".venv/bin/uv pip install --no-deps -r kubeflow/requirements-gpu.lock"
)


def find() -> str | None:
    """Returns the GPUs that this process may use, as CUDA_VISIBLE_DEVICES; None without one.

    Like CUDA, it leaves out what follows the number of a GPU that is not there.
    """
    count = len(glob.glob(DEVICES)) or int(os.path.exists(WSL_DRIVER))
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return ",".join(map(str, range(count))) or None
    found = []
    for name in visible.split(",") if count else ():
        number = name.strip()
        if not number or (number.lstrip("-").isdigit() and not 0 <= int(number) < count):
            break
        found.append(number)
    return ",".join(found) or None


def why_idle() -> str:
    """Why the GPUs that a pod was given stay idle; empty if they do not, or there are none."""
    if os.environ.get(GIVEN, "0") == "0":
        return ""
    if find() is None:
        return "the GPU that was asked for is not visible in this container; computing on the CPU"
    if not has_libraries():
        return (
            "the GPU stays idle, since this image has no CUDA libraries: build it with TARGET=gpu "
            "(kubeflow/README.md), or set kubeflow.gpu=0"
        )
    if not has_driver():
        return (
            f"the GPU stays idle, since {DRIVER}, the library of its driver, is not found: set "
            "LD_LIBRARY_PATH to where this cluster mounts it"
        )
    return ""


def has_driver() -> bool:
    """Whether the library of the driver can be loaded."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def has_libraries() -> bool:
    """Whether there are CUDA libraries, without which TensorFlow does not compute on a GPU."""
    package, library = CUDA_LIBRARIES
    return bool(find_spec(package) or find_library(library))
