"""The images of a folder as they are listed: files, and entries of archives.

A file is an image if it has one of SUFFIXES, and an archive if it has one of ARCHIVES, whose
entries are listed as if it were a folder. Other files (labels.csv, README.txt) are only counted.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from unicodedata import normalize

from components.image_example_gen.folders.local import LINK, printable_path

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".avif"),
    }
)
PARQUET = ".parquet"
ARCHIVES = (".tar", PARQUET)
# Endings of pictures and archives that are not read, by the advice for them; all other files are
# taken for labels and the like.
UNREAD = {
    "convert them to JPEG or PNG": re.compile(
        r"\.(heic|heif|hif|jp2|j2k|jpx|jxl|svg|psd|eps|ico|tga|ppm|pgm|exr|hdr"
        r"|dng|cr2|cr3|nef|arw|orf|raf|rw2)"
    ),
    "unpack them": re.compile(r"\.(zip|tgz|tbz2?|txz|7z|rar|tar\.(gz|bz2|xz|zst))"),
}
NO_ENDING = "none"
SHOWN_ENDINGS = 5
ROWS = 1 << 32  # more than a row group of Parquet has
QUICK_ROWS = 16  # at the beginning of a row group
MAX_LABEL = 255  # characters, as in the name of a folder
DAMAGED = "archive is damaged: what follows the damage is not read"


@dataclass(frozen=True, slots=True)  # there may be millions
class ImageFile:
    """A file that should be an image.

    Attributes:
        path: relative to the data folder, with forward slashes; bytes that are not UTF-8 are
            escaped.
        size: size in bytes; 0 in Parquet, where only the content tells it.
        mtime_ns: time of the last modification, in nanoseconds since 1970.
        problem: why the file cannot be opened; empty if it can.
        span: number of its span.
        span_folder: folder of its span, with which the path begins; empty for the data folder.
        entry: length of its name in an archive, with which the path ends; 0 for a file.
        offset: of its content in the archive: in bytes,
            in a Parquet file ROWS times the number of the row group, and the row in it.
        label: that the archive states, empty if it states that there is none; None if it does not
            say.
        archive_size: in bytes; 0 for a file.
        source: what a model is to translate to the image; None for an image without.

    Size and problem of an entry are its own, the time is that of the archive.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    problem: str = ""
    span: int = 0
    span_folder: str = ""
    entry: int = 0
    offset: int = 0
    label: str | None = None
    archive_size: int = 0
    source: "ImageFile | None" = None

    @property
    def state(self) -> str:
        """Text that differs if the content may: path, size, time, place in an archive, source."""
        text = f"{self.path}\0{self.size}\0{self.mtime_ns}"
        if self.entry:
            text += f"\0{self.entry}\0{self.offset}\0{self.archive_size}\0{self.label or ''}"
        return f"{text}\0\0{self.source.problem}\0{self.source.state}" if self.source else text

    @property
    def archive(self) -> str:
        """The path of its archive, relative to the data folder; empty for a file."""
        return self.path[: -self.entry - 1] if self.entry else ""

    @property
    def class_label(self) -> str:
        """What its archive states, or the first folder in its span; empty outside folders."""
        if self.label is not None:
            return self.label
        path = self.path_in_span
        first, slash, _ = (path[: -self.entry - 1] if self.entry else path).partition("/")
        return normalize("NFC", first) if slash else ""

    @property
    def quick(self) -> bool:
        """Whether it is read without many others: not far inside a row group of Parquet."""
        return not self.archive.lower().endswith(PARQUET) or self.offset % ROWS < QUICK_ROWS

    @property
    def path_in_span(self) -> str:
        """The path relative to the span's folder."""
        return self.path.removeprefix(f"{self.span_folder}/") if self.span_folder else self.path


def entry_of(
    archive: ImageFile,
    name: str,
    size: int = 0,
    offset: int = 0,
    label: str | None = None,
    problem: str = "",
) -> ImageFile:
    """An entry of an archive, by its name in it."""
    shown = printable_path(name)
    return ImageFile(
        f"{archive.path}/{shown}",
        size,
        archive.mtime_ns,
        problem,
        entry=len(shown),
        offset=offset,
        label=label,
        archive_size=archive.size,
    )


def to_label(text: str) -> str:
    """The name of a class as an archive states it: one name, however its accents are composed."""
    return normalize("NFC", text.lstrip("\ufeff").strip())


def fingerprint(files: Iterable[ImageFile]) -> str:
    """Returns a digest of the states and the problems of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.state}\0{file.problem}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def ending(name: str) -> str:
    """The ending of a name, as in the counts of other files."""
    found = re.search(r"(\.tar)?\.[0-9a-z]{1,8}\Z", name.lower())
    return found[0] if found else NO_ENDING


def unread(counts: Mapping[str, int]) -> dict[str, int]:
    """Those of the counts of other files by ending that are of UNREAD."""
    return {
        ending: count
        for ending, count in counts.items()
        if any(endings.fullmatch(ending) for endings in UNREAD.values())
    }


def describe_unread(counts: Mapping[str, int]) -> list[str]:
    """Says which other files, counted by ending, are of UNREAD, and what to do with them.

    Returns:
        A line for each advice that applies: `not read: 3 .zip; unpack them`.
    """
    lines = []
    for advice, endings in UNREAD.items():
        found = {ending: n for ending, n in counts.items() if endings.fullmatch(ending)}
        if found:
            lines.append(f"not read: {describe_endings(found)}; {advice}")
    return lines


def describe_endings(counts: Mapping[str, int]) -> str:
    """Lists the most frequent endings in one line: `10 .heic, 1 without an ending`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{count:,} {_named(ending, count)}" for ending, count in ordered[:SHOWN_ENDINGS]]
    if more := sum(count for _, count in ordered[SHOWN_ENDINGS:]):
        texts.append(f"{more:,} others")
    return ", ".join(texts)


def _named(ending: str, count: int) -> str:
    named = {NO_ENDING: "without an ending", LINK: LINK if count == 1 else "links to folders"}
    return named.get(ending, ending)
