"""Processor time and memory of a running process together with its descendants, from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # of processor time, per second
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes


def processor_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, including those it has waited for."""
    return sum(map(_processor_seconds, _tree(pid)))


def resident_mib(pid: int) -> float:
    """Resident set of a process and its descendants; what they share is counted for each."""
    return sum(map(_resident_mib, _tree(pid)))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return
    for child in {int(child) for text in lists for child in text.split()}:
        yield from _tree(child)


def _processor_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()  # the name, in parentheses, may contain spaces
    return sum(map(int, fields[11:15])) / TICKS  # utime, stime, cutime, cstime


def _resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20
    except OSError:
        return 0.0
