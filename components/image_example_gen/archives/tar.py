"""Lists the entries of a tar, with the labels that WebDataset puts beside images.

Nothing is unpacked: an image is later read at its offset. tarfile parses one header after the
other; its own loop over a tar is not used, because it takes damage for the end.

In a WebDataset, files whose paths are equal up to the first dot of the name follow each other and
belong together: `7.jpg` with `7.cls`, or `7.json` of which `label` is the label.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from components.image_example_gen.archives.entry import (
    DAMAGED,
    ENDS_EARLY,
    MAX_LABEL,
    TOO_LARGE,
    Entry,
    to_label,
)
from components.image_example_gen.storage.local import is_hidden
from components.image_example_gen.storage.remote import MAX_IMAGE_BYTES
from trainer.common.text import shorten

MAX_HEADER_BYTES = 1 << 20  # of one entry, with long names and attributes
MAX_ATTRIBUTES = 1000  # that hold for all entries
MAX_CLS_BYTES, MAX_JSON_BYTES = 4 * MAX_LABEL + 2, 1 << 20
MAX_NAME = 4096  # characters, as paths have at most
NOT_A_TAR = "not a tar archive"
WRONG_LABELS = {
    "cls": f".cls beside it is not one line of UTF-8, of at most {MAX_LABEL} characters",
    "json": ".json beside it is damaged, or its label is neither text nor a whole number",
}


@dataclass
class _Sample:
    """The entries that belong together, and what the files beside the images say of them."""

    key: str
    entries: list[Entry] = field(default_factory=list)
    label: str | None = None
    problem: str = ""

    def labeled(self) -> Iterator[Entry]:
        for entry in self.entries:
            yield entry._replace(
                label=entry.label if self.label is None else self.label,
                problem=entry.problem or self.problem,
            )


def list_tar(stream: BinaryIO, size: int) -> Iterator[Entry]:
    """Yields the visible files of a tar, in its order.

    Args:
        stream: the tar, seekable.
        size: of the tar, in bytes.

    Yields:
        Also what has a problem: a name that leads out of the archive, a link, a device, a sparse
        file, one that is too large or cut off; and an entry without a name if the tar is damaged,
        ends early, or is none.

    Raises:
        OSError: the tar cannot be read.
        StorageError: as above, remotely.
    """
    sample = _Sample("")
    for info in _headers(stream):
        if isinstance(info, Entry):
            yield from sample.labeled()
            yield info
            return
        entry = _to_entry(info, size)
        if entry is None:
            continue
        key, _, ending = entry.name.rpartition("/")[2].partition(".")
        key = f"{entry.name.rpartition('/')[0]}/{key}"
        if key != sample.key:
            yield from sample.labeled()
            sample = _Sample(key)
        if ending.lower() in WRONG_LABELS and not entry.problem:
            _read_label(stream, entry, ending.lower(), sample)
        else:
            sample.entries.append(entry)
    yield from sample.labeled()


class _Headers:
    """What tarfile reads of a tar: headers, and never more than MAX_HEADER_BYTES for one entry."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self.left = MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError("the header is too large")
        return self._stream.read(size)


def _headers(stream: BinaryIO) -> Iterator[tarfile.TarInfo | Entry]:
    """Yields the headers; at last an entry with the problem of the tar, unless it is complete."""
    headers = _Headers(stream)
    # tarfile takes an empty archive for the parsing of headers, which then come from the stream.
    tar = tarfile.TarFile(fileobj=io.BytesIO(bytes(tarfile.RECORDSIZE)), mode="r")
    tar.fileobj, tar.encoding, tar.errors = headers, "utf-8", "surrogateescape"
    position = 0
    while True:
        headers.left = MAX_HEADER_BYTES
        stream.seek(position)
        try:
            info = tarfile.TarInfo.fromtarfile(tar)
        except tarfile.EOFHeaderError:  # two blocks of zeros, of which writers may omit one
            return
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError):
            yield Entry("", problem=ENDS_EARLY if position else NOT_A_TAR)
            return
        except OSError:
            raise
        # tarfile raises almost anything where attributes are damaged, or nested without end.
        except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError):
            yield Entry("", problem=DAMAGED if position else NOT_A_TAR)
            return
        if tar.offset <= position or info.size < 0 or len(tar.pax_headers) > MAX_ATTRIBUTES:
            yield Entry("", problem=DAMAGED)
            return
        position = tar.offset
        tar.pax_headers.clear()  # or a long name for all would be one for each
        yield info


def _to_entry(info: tarfile.TarInfo, archive_size: int) -> Entry | None:
    """The entry of a header; None for a folder and for a hidden file."""
    absolute, parts = info.name.startswith("/"), info.name.split("/")
    if len(info.name) > MAX_NAME:
        return Entry(shorten(info.name), problem=f"name of more than {MAX_NAME:,} characters")
    names = [part for part in parts if part not in ("", ".")]
    if absolute or ".." in names or not names:
        if info.isdir() and not names:  # `.` itself
            return None
        return Entry(info.name or "/", problem="name leads out of the archive")
    if info.isdir() or any(map(is_hidden, names)):
        return None
    name, label = "/".join(names), to_label(names[0]) if names[1:] else None
    problem = ""
    if info.issym() or info.islnk():
        problem = "link in an archive"
    elif info.issparse():
        problem = "sparse file in an archive"
    elif not info.isreg():
        problem = "not a regular file"
    elif info.size > MAX_IMAGE_BYTES:
        problem = TOO_LARGE
    elif info.offset_data + info.size > archive_size:
        problem = ENDS_EARLY
    try:
        name.encode()
    except UnicodeEncodeError:
        problem, label = "name is not UTF-8: rename it", None
    return Entry(name, info.size, info.offset_data, label, problem)


def _read_label(stream: BinaryIO, entry: Entry, ending: str, sample: _Sample) -> None:
    """Reads the label in a .cls or .json beside images; a .cls comes first."""
    try:
        if entry.size > (MAX_CLS_BYTES if ending == "cls" else MAX_JSON_BYTES):
            raise ValueError("too large")
        stream.seek(entry.offset)
        text = stream.read(entry.size).decode("utf-8")
        stated = text if ending == "cls" else _label_of(json.loads(text))
        label = None if stated is None else to_label(stated)
        if label is not None:
            if len(label) > MAX_LABEL or len(label.splitlines()) > 1:
                raise ValueError("not a label")
            label.encode()  # JSON may have halves of characters
    except (ValueError, RecursionError):
        sample.problem = WRONG_LABELS[ending]
    else:
        stated = (label, sample.label) if ending == "cls" else (sample.label, label)
        sample.label = stated[0] or stated[1] or (None if stated == (None, None) else "")


def _label_of(content: object) -> str | None:
    """The label in the content of a file, empty if it says that there is none; None without."""
    if not isinstance(content, dict):
        raise ValueError("not a label")
    if "label" not in content:
        return None
    label = "" if content["label"] is None else content["label"]
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise ValueError("not a label")
    return str(label)
