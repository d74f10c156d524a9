"""Downloads and verifies published archives, and reads them without trusting their content."""

import gzip
import hashlib
import http.client
import stat
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from data.errors import DataError
from trainer.common.files import atomic_write
from trainer.common.text import without_secrets

SCHEMES = ("http", "https", "file")
TIMEOUT_SECONDS = 60  # without a byte from the server
CHUNK_BYTES = 1 << 20
# The descriptions of all members together: their names, and so much for each. A hostile archive
# could otherwise fill the memory with them, although its content is small.
DIRECTORY_BYTES = 32 << 20
MEMBER_BYTES = 100
TAR_HEADER_BYTES = 1 << 16  # of one member, including long names, pax records and sparse maps
GZIP = b"\x1f\x8b"  # the first bytes
SHOWN = 100  # characters of a name in an error

Member = TypeVar("Member")


@contextmanager
def obtain(source: str, checksum: str, max_bytes: int) -> Iterator[Path]:
    """Yields the verified file of a path or a URL; deletes a download afterwards.

    Args:
        source: a path or a URL (http, https, file).
        checksum: algorithm and lower-case hexadecimal digest, as in "sha256:9f86d0...".
        max_bytes: maximum length of a download.

    Raises:
        DataError: the file does not exist, the download fails, or the checksum differs.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(source)
        if "://" in source:
            path = Path(scratch, "download")
            download(source, path, max_bytes)
        elif not path.is_file():
            raise DataError(f"no file {source}: expected an existing file or a URL")
        algorithm, _, expected = checksum.partition(":")
        found = digest(path, algorithm)
        if found != expected:
            raise DataError(
                f"{without_secrets(source)} is damaged or a different file: its {algorithm} is "
                f"{found}, expected {expected}; download it again"
            )
        yield path


def digest(path: Path, algorithm: str) -> str:
    """Returns the hexadecimal digest of a file by a hashlib algorithm.

    Raises:
        DataError: the file cannot be read.
    """
    # MD5 does not protect against attackers, but some publishers provide nothing else.
    result = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            for chunk in iter(partial(file.read, CHUNK_BYTES), b""):
                result.update(chunk)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return result.hexdigest()


def download(url: str, path: Path, max_bytes: int) -> None:
    """Downloads a URL to a file, which appears only when it is complete.

    Raises:
        DataError: the scheme is not one of SCHEMES, the server is unreachable or rejects the
            request, the file is longer than `max_bytes`, or the transfer is interrupted.
    """
    shown = without_secrets(url)
    try:
        if "@" in urlsplit(url).netloc:
            raise DataError(f"cannot download {shown}: a user and password in a URL are not read")
        if urlsplit(url).scheme not in SCHEMES:
            raise DataError(f"cannot download {shown}: only {', '.join(SCHEMES)} URLs are allowed")
        with (
            atomic_write(path) as part,
            urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response,
        ):
            length = response.headers.get("Content-Length", "")
            expected = int(length) if length.isdecimal() else None
            received = 0
            with part.open("wb") as file, _progress() as progress:
                task = progress.add_task(shown, total=expected)
                for chunk in iter(partial(response.read, CHUNK_BYTES), b""):
                    received += len(chunk)
                    if max(received, expected or 0) > max_bytes:
                        raise DataError(
                            f"rejected {shown}: it is longer than the {max_bytes} bytes allowed"
                        )
                    file.write(chunk)
                    progress.update(task, completed=received)
            # http.client does not distinguish a closed connection from the end of the file.
            if expected is not None and received != expected:
                raise DataError(
                    f"the download of {shown} was interrupted after {received} of {expected} "
                    "bytes; try again"
                )
    except DataError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataError(f"cannot download {shown}: {without_secrets(str(error))}") from None


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def read_files(archive: Path, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Reads the regular files of a tar (plain or gzip) or zip archive into memory.

    It extracts nothing to disk, and checks every member before it yields the first file. At any
    time the memory holds one file and at most DIRECTORY_BYTES of descriptions.

    Args:
        archive: the archive.
        max_bytes: maximum of the sum of the declared sizes.

    Yields:
        The name (relative, with forward slashes) and the bytes of each file, in order.

    Raises:
        DataError: the archive is damaged, unpacks to more than `max_bytes`, has too many members or
            too long headers, or has a member that has an absolute path or one with `..`, that is
            neither a plain file nor a folder, or that is compressed by an unusual method.
    """
    try:
        if zipfile.is_zipfile(archive):
            yield from _read_zip(archive, max_bytes)
        else:
            yield from _read_tar(archive, max_bytes)
    except DataError as error:
        raise DataError(f"rejected {archive}: {error}") from None
    except Exception as error:  # on hostile bytes the parsers raise undocumented errors
        raise DataError(
            f"{archive} is damaged or not a tar or zip archive ({type(error).__name__}); download "
            "it again"
        ) from None


class _Metered:
    """A file of which a parser may read only so many bytes until the next allowance.

    tarfile and zipfile read a header whole, whatever length it declares.
    """

    def __init__(self, file: BinaryIO, allowance: int) -> None:
        self._file = file
        self.allowance = allowance

    def read(self, size: int | None = -1) -> bytes:
        """Reads as any file does; raises a DataError beyond the allowance."""
        most = self.allowance + 1
        content = self._file.read(most if size is None or size < 0 else min(size, most))
        self.allowance -= len(content)
        if self.allowance < 0:
            raise DataError("its headers are longer than those of a folder of images")
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _read_zip(archive: Path, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    with archive.open("rb") as file:
        metered = _Metered(file, DIRECTORY_BYTES)
        opened = zipfile.ZipFile(metered)
        metered.allowance = sys.maxsize
        # The upper half of external_attr is the Unix mode, or 0 if there is none.
        described = (
            (
                info,
                info.filename,
                info.file_size,
                stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR),
            )
            for info in opened.infolist()
        )
        for info in _accept(described, max_bytes):
            # zipfile unpacks other methods without a limit.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(
                    f"its member {info.filename[:SHOWN]!r} is not compressed by deflate"
                )
            if not info.is_dir():
                with opened.open(info) as member:
                    # Without a size, zipfile unpacks more than the declared size.
                    yield info.filename, member.read(info.file_size)


def _read_tar(archive: Path, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    with archive.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if compressed else file
        for name, start, size, is_file in _accept(_describe_tar(stream), max_bytes):
            if is_file:
                stream.seek(start)
                content = stream.read(size)
                if len(content) < size:
                    raise EOFError
                yield name, content


def _describe_tar(stream: BinaryIO) -> Iterator[tuple[tuple[str, int, int, bool], str, int, bool]]:
    metered = _Metered(stream, TAR_HEADER_BYTES)
    with tarfile.open(fileobj=metered, mode="r:") as opened:
        while (member := opened.next()) is not None:
            plain = (member.isreg() and not member.issparse()) or member.isdir()
            described = member.name, member.offset_data, member.size, member.isreg()
            yield described, member.name, member.size, plain
            # tarfile remembers every member, and copies global pax records into each.
            opened.members.clear()
            opened.pax_headers.clear()
            metered.allowance = TAR_HEADER_BYTES


def _accept(described: Iterable[tuple[Member, str, int, bool]], max_bytes: int) -> list[Member]:
    """Checks members, with their names, sizes and whether they are plain files or folders."""
    accepted = []
    total = directory = 0
    for member, name, size, plain in described:
        # Windows paths recognise both kinds of slashes and drive letters.
        path = PureWindowsPath(name)
        if path.drive or path.root or ".." in path.parts:
            raise DataError(f"its member {name[:SHOWN]!r} is outside the folder")
        if not plain:
            raise DataError(f"its member {name[:SHOWN]!r} is neither a plain file nor a folder")
        total += size
        if size < 0 or total > max_bytes:
            raise DataError(f"it unpacks to more than the {max_bytes} bytes allowed")
        directory += len(name) + MEMBER_BYTES
        if directory > DIRECTORY_BYTES:
            raise DataError(f"it has more than the {DIRECTORY_BYTES} bytes of names allowed")
        accepted.append(member)
    return accepted
