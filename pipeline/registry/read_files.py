"""The files that runs have read, span by span, as the journal keeps them.

A snapshot of a span has, for each of its files, an eight-byte digest of the path in the span's
folder, the size, the modification time and the place in an archive, and of those of its source if
it has one. The journal keeps the union of what runs have read of each folder, since files that were
removed may come back.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.listing import list_folder, walk_images
from components.image_example_gen.listed import Listing
from components.image_example_gen.pairs import match
from components.image_example_gen.spans import ImageSource, Span, may_have_sources
from pipeline.registry.journal import Journal

DIGEST_BYTES = 8
_DIGEST = np.dtype(">u8")  # numbers in the order of the bytes


def snapshot(folder: str, span: Span, sources: str | None = None) -> bytes:
    """The snapshot of the images of a span as they are now; empty if it has none.

    With a folder of `sources`, an image without its source is not there yet.

    Raises:
        ImageDataError: its folder, or that of all sources, is missing or unreadable.
    """
    if not sources:
        return _snapshot(walk_images(_join(folder, span), Counter()))
    files = _list(folder, span)
    there = _list(sources, span) if may_have_sources(sources, span) else []
    return _snapshot(file for file in match(files, there, sources) if file.source)


def snapshots(source: ImageSource, listing: Listing) -> dict[int, bytes]:
    """The snapshots of the spans of a source that was listed, by number."""
    found = {span.number: bytearray() for span in source.window}
    for file in listing.images:
        if file.source or not source.sources:
            found[file.span] += _digest(file)
    return {span: digests(files).tobytes() for span, files in found.items()}


def digests(files: bytes | bytearray) -> np.ndarray:
    """The digests of the files in a snapshot: big-endian uint64 [N], ascending, each once."""
    return np.unique(np.frombuffer(files, _DIGEST))


def remember(journal: Journal, found: dict[int, bytes]) -> None:
    """Adds snapshots to what was read before; the caller holds the workspace."""
    before = journal.snapshots()
    journal.remember(
        {span: digests(files + before.get(span, b"")).tobytes() for span, files in found.items()}
    )
    journal.forget_holds(found)


def _join(folder: str, span: Span) -> str:
    return f"{folder.rstrip('/')}/{span.folder}".rstrip("/") or "/"


def _list(folder: str, span: Span) -> Sequence[ImageFile]:
    listed = list_folder(_join(folder, span), required=False, span=span.number, below=span.folder)
    return listed.images


def _snapshot(files: Iterable[ImageFile]) -> bytes:
    return digests(b"".join(map(_digest, files))).tobytes()


def _digest(file: ImageFile) -> bytes:
    below = f"{file.span_folder}/" if file.span_folder else ""
    state = file.state.removeprefix(below)
    return blake2b(state.encode(), digest_size=DIGEST_BYTES).digest()
