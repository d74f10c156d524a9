"""How the C library keeps freed memory: as little of it as it can."""

import ctypes

THRESHOLD = 256 * 1024  # bytes
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of <malloc.h>


def return_freed_memory() -> None:
    """Has large arrays given back to the system when they are freed; glibc alone knows how.

    By itself it learns from the first large array that is freed to keep the later ones, in an arena
    for each thread: a fifth of the memory of a process that passes arrays between threads. To be
    called before there are threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(TRIM_THRESHOLD, THRESHOLD)
        mallopt(MMAP_THRESHOLD, THRESHOLD)
        mallopt(ARENA_MAX, 1)
