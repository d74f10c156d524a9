"""The memory that a run can use on this machine, or in this container."""

import contextlib
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUPS = Path("/sys/fs/cgroup")
# Limit, use and details of it, of control groups of version 2 and of version 1.
FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def available_memory() -> int:
    """The memory that programs can use without swapping, in bytes."""
    found = re.search(r"MemAvailable: +(\d+) kB", MEMINFO.read_text("ascii"))
    return min([int(found[1]) * 1024, *_left_in_container()])


def _left_in_container() -> list[int]:
    """What is left of the limit of a container; empty without one."""
    for files in FILES:
        with contextlib.suppress(OSError, ValueError):  # no such version, or "max": no limit
            limit, used, details = ((CGROUPS / name).read_text("ascii") for name in files)
            # Files that were read stay in memory until it is needed.
            cached = dict(re.findall(r"^(total_)?inactive_file (\d+)$", details, re.MULTILINE))
            # In the first version, with those of groups in this one, which are in use as well.
            return [int(limit) - int(used) + int(cached.get("total_", cached.get("", 0)))]
    return []
