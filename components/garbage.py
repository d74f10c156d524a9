"""Garbage collection, put off while large libraries are imported."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collects no garbage in the block, and never examines again what its imports have made.

    Libraries create millions of objects that stay, and each collection would visit them all: that
    is more than a quarter of the time that TensorFlow and TFX take to import. A block that imports
    nothing, since the process has it all, changes nothing: what is garbage by then stays garbage.
    """
    before, was_enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if was_enabled:
            gc.enable()
