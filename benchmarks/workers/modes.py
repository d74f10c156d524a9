"""The ways in which PyTorch can run a network; uses only the standard library."""

import os
import shutil
from typing import NamedTuple


class Mode(NamedTuple):
    """How a network is run.

    Attributes:
        compiled: by torch.compile, or eagerly.
        precision: `float32`, or `bfloat16` for autocast.
    """

    compiled: bool
    precision: str

    def __str__(self) -> str:
        return f"{'compile' if self.compiled else 'eager'} {self.precision}"


# torch.compile generates C++. Without a compiler, SKIPPED says what is left out.
COMPILER = os.environ.get("CXX", "g++")
CAN_COMPILE = shutil.which(COMPILER) is not None
SKIPPED = "" if CAN_COMPILE else f"torch.compile skipped: no C++ compiler {COMPILER} (set CXX)"
MODES = [
    Mode(compiled, precision)
    for compiled in ([False, True] if CAN_COMPILE else [False])
    for precision in ("float32", "bfloat16")
]
