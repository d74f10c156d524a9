"""What an archive says of an image in it."""

from typing import NamedTuple
from unicodedata import normalize

from components.image_example_gen.storage.remote import MAX_IMAGE_BYTES

PARQUET = ".parquet"
SUFFIXES = (".tar", PARQUET)
ROWS = 1 << 32  # more than a row group has
MAX_LABEL = 255  # characters, as in the name of a folder
TOO_LARGE = f"more than {MAX_IMAGE_BYTES >> 20} MiB"
ENDS_EARLY = "archive ends early"
DAMAGED = "archive is damaged: what follows the damage is not read"


class Entry(NamedTuple):
    """A file in a tar, or a row in a Parquet file.

    Attributes:
        name: in the archive, with forward slashes; empty for a problem of the archive itself.
        size: in bytes; 0 if it is only known from the content.
        offset: of the content: in bytes,
            in a Parquet file ROWS times the number of the row group, and the row in it.
        label: stated by the archive, empty if it states that there is none, or the first folder in
            it; None if there is neither.
        problem: why it cannot be read; empty if it can.
    """

    name: str
    size: int = 0
    offset: int = 0
    label: str | None = None
    problem: str = ""


def to_label(text: str) -> str:
    """The name of a class as an archive states it: one name, however its accents are composed."""
    return normalize("NFC", text.lstrip("\ufeff").strip())
