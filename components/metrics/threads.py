"""Threads of numeric libraries, which cost more than they gain in products of small matrices."""

import contextlib
import functools

from threadpoolctl import ThreadpoolController

SMALL_DIMENSION = 512  # of features; two threads are about as fast as one there


def blas_threads(dimension: int) -> contextlib.AbstractContextManager:
    """A context in which BLAS uses one thread if the features have few dimensions."""
    if dimension > SMALL_DIMENSION:
        return contextlib.nullcontext()
    return _libraries().limit(limits=1, user_api="blas")


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # searches all loaded libraries
