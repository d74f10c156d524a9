"""The memory that a run can use on this machine, or in this container."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")  # lines of NUMBER:CONTROLLERS:PATH
# Limit, use and details of it, of control groups of version 2 and of version 1.
UNIFIED = ("memory.max", "memory.current", "memory.stat")
SEPARATE = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")


def available_memory() -> int:
    """The memory that programs can use without swapping, in bytes."""
    found = re.search(r"MemAvailable: +(\d+) kB", MEMINFO.read_text("ascii"))
    return min([int(found[1]) * 1024, *_left_in_containers()])


def _left_in_containers() -> Iterator[int]:
    """What is left of the limit of a container or a job, and of each group that it is in."""
    for group, files in _groups():
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max": no limit
            limit, used, details = ((group / name).read_text("ascii") for name in files)
            # Files that were read stay in memory until it is needed.
            cached = dict(re.findall(r"^(total_)?inactive_file (\d+)$", details, re.MULTILINE))
            # In the first version, with those of groups in this one, which are in use as well.
            files_read = int(cached.get("total_", cached.get("", 0)))
            yield max(0, int(limit) - int(used) + files_read)


def _groups() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The control groups that may limit this process, and their files."""
    own = OWN_GROUPS.read_text("utf-8") if OWN_GROUPS.exists() else ""
    for root, controller, files in (
        (CGROUPS, "", UNIFIED),
        (CGROUPS / "memory", "memory", SEPARATE),
    ):
        yield root, files  # in a container, often its own group
        for line in own.splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(",") and ".." not in path.split("/"):
                inner = Path(path.lstrip("/"))
                yield from ((root / group, files) for group in (inner, *inner.parents)[:-1])
