"""A program on a small file system of its own, so that its disk really fills up."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
CAN_MOUNT = subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0
needs_mount = pytest.mark.skipif(
    not CAN_MOUNT, reason="this machine lets nobody mount a small file system"
)


def on_disk(folder: Path, options: str, command: Sequence[str]) -> list[str]:
    """The command, with an in-memory file system on a folder: `size=1m` or `ro` as options."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    return [*NAMESPACE, "sh", "-c", mount, str(folder), *map(str, command)]


def seen_by(process: subprocess.Popen, folder: Path) -> Path:
    """The folder as a process on a disk of its own sees it."""
    return Path(f"/proc/{process.pid}/root{folder}")


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leaves no space on the disk of a folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()
