"""Lists the files in a tar, with the labels that WebDataset puts beside images.

Nothing is unpacked: an image is later read at its offset.

In a WebDataset, files whose paths are equal up to the first dot of the name follow each other and
belong together: `7.jpg` with `7.cls`, or `7.json` of which `label` is the label.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from components.image_example_gen.files import DAMAGED, MAX_LABEL, ImageFile, entry_of, to_label
from components.image_example_gen.folders.local import is_hidden
from components.image_example_gen.folders.storage import MAX_IMAGE_BYTES, TOO_LARGE

MAX_CLS_BYTES, MAX_JSON_BYTES = 4 * MAX_LABEL + 2, 1 << 20
NOT_A_TAR = "not a tar archive"
ENDS_EARLY = "archive ends early"
WRONG_LABELS = {
    "cls": f".cls beside it is not one line of UTF-8, of at most {MAX_LABEL} characters",
    "json": ".json beside it is damaged, or its label is neither text nor a whole number",
}
# What tarfile raises where headers are damaged, or nested without end.
_DAMAGE = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError)


@dataclass
class _Sample:
    """The files that belong together, and what those beside the images say of them."""

    key: str
    files: list[ImageFile] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # by the ending of what states them
    problem: str = ""

    def labeled(self) -> Iterator[ImageFile]:
        first = self.labels.get("cls") or self.labels.get("json")
        stated = first or ("" if self.labels else None)
        for file in self.files:
            yield replace(
                file,
                label=file.label if stated is None else stated,
                problem=file.problem or self.problem,
            )


def list_tar(stream: BinaryIO, archive: ImageFile) -> Iterator[ImageFile]:
    """Yields the visible files of a tar, in its order.

    Args:
        stream: the tar, seekable.
        archive: its path, size and time.

    Yields:
        Also what has a problem: a name that leads out of the archive, a link, a device, a sparse
        file, one that is too large or cut off; and at last the archive itself if it is damaged,
        ends early, or is no tar.

    Raises:
        OSError: the tar cannot be read.
        StorageError: as above, in a bucket.
    """
    sample = _Sample("")
    for info in _headers(stream, archive.size):
        if isinstance(info, str):
            yield from sample.labeled()
            yield replace(archive, problem=info)
            return
        file = _to_file(info, archive)
        if file is None:
            continue
        folder, _, name = file.path.rpartition("/")
        stem, _, ending = name.partition(".")
        if (key := f"{folder}/{stem}") != sample.key:
            yield from sample.labeled()
            sample = _Sample(key)
        if (ending := ending.lower()) in WRONG_LABELS and not file.problem:
            _read_label(stream, file, ending, sample)
        else:
            sample.files.append(file)
    yield from sample.labeled()


def _headers(stream: BinaryIO, size: int) -> Iterator[tarfile.TarInfo | str]:
    """Yields the headers; at last the problem of the tar, unless it is complete."""
    position = -1
    try:
        with tarfile.open(
            fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            while info := tar.next():
                if tar.offset <= position or info.size < 0:
                    raise tarfile.ReadError("sizes are negative")
                position = tar.offset
                tar.members.clear()  # which would all stay in memory
                yield info
            end = tar.offset
        # For tarfile, damage is the end as well. Two blocks of zeros are; writers may omit one.
        stream.seek(end)
        block = stream.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE:
            yield ENDS_EARLY
        elif any(block):
            yield DAMAGED
    except _DAMAGE:
        if position > size:
            yield ENDS_EARLY
        else:
            yield DAMAGED if position >= 0 else NOT_A_TAR


def _to_file(info: tarfile.TarInfo, archive: ImageFile) -> ImageFile | None:
    """The file of a header; None for a folder and for a hidden file."""
    names = [part for part in info.name.split("/") if part not in ("", ".")]
    if info.isdir() and ".." not in names:
        return None
    if info.name.startswith("/") or ".." in names or not names:
        problem = "name leads out of the archive"
        return entry_of(archive, info.name or "/", offset=info.offset, problem=problem)
    if any(map(is_hidden, names)):
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
    elif info.offset_data + info.size > archive.size:
        problem = ENDS_EARLY
    try:
        name.encode()
    except UnicodeEncodeError:
        problem, label = "name is not UTF-8: rename it", None
    return entry_of(archive, name, info.size, info.offset_data, label, problem)


def _read_label(stream: BinaryIO, file: ImageFile, ending: str, sample: _Sample) -> None:
    """Reads the label in a .cls or .json beside images; a .cls comes first."""
    try:
        if file.size > (MAX_CLS_BYTES if ending == "cls" else MAX_JSON_BYTES):
            raise ValueError("too large")
        stream.seek(file.offset)
        text = stream.read(file.size).decode("utf-8")
        stated = text if ending == "cls" else _label_of(json.loads(text))
        if stated is not None:
            label = to_label(stated)
            if len(label) > MAX_LABEL or len(label.splitlines()) > 1:
                raise ValueError("not a label")
            label.encode()  # JSON may have halves of characters
            sample.labels[ending] = label
    except (ValueError, RecursionError):
        sample.problem = WRONG_LABELS[ending]


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
