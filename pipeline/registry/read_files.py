"""The files that runs have read, span by span, as the journal keeps them.

A snapshot of a span has, for each of its files, an eight-byte digest of the path in the span's
folder, the size, the modification time and the place in an archive, and of those of its source if
it has one. The journal keeps the union of what runs have read of each folder, since files that were
removed may come back.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.listing import walk_images
from components.image_example_gen.options import WindowOptions
from components.image_example_gen.pairs import match
from components.image_example_gen.spans import Span, may_have_sources
from components.image_example_gen.windows import find_window
from pipeline.registry.journal import Journal

DIGEST_BYTES = 8
_DIGEST = np.dtype(">u8")  # numbers in the order of the bytes


def snapshot(folder: str, span: Span, sources: str | None = None) -> bytes:
    """The snapshot of the images of a span as they are now; empty if it has none.

    With a folder of `sources`, an image without its source is not there yet.

    Raises:
        ImageDataError: its folder, or that of all sources, is missing or unreadable.
    """
    files = _walk(folder, span)
    if sources:
        there = _walk(sources, span) if may_have_sources(sources, span) else ()
        matched = match(files, there, sources)
        files = (file for file in matched if file.source)
    return digests(b"".join(map(_digest, files))).tobytes()


def snapshots(
    folder: str,
    options: WindowOptions,
    newest: int | None,
    sources: str | None = None,
) -> dict[int, bytes]:
    """The snapshots of the spans that a run reads, by number.

    Args:
        folder: as in `find_window`, like the next two.
        options: which folders below it are read.
        newest: number of the last span.
        sources: folder of sources that are paired with images, if there are any.

    Raises:
        ImageDataError: the folders or their spans do not match the arguments.
    """
    window = find_window(folder, options, newest)
    return {span.number: snapshot(folder, span, sources) for span in window}


def digests(files: bytes) -> np.ndarray:
    """The digests of the files in a snapshot: big-endian uint64 [N], ascending, each once."""
    return np.unique(np.frombuffer(files, _DIGEST))


def remember(journal: Journal, found: dict[int, bytes]) -> None:
    """Adds snapshots to what was read before; the caller holds the workspace."""
    before = journal.snapshots()
    journal.remember(
        {span: digests(files + before.get(span, b"")).tobytes() for span, files in found.items()}
    )
    journal.forget_holds(found)


def _walk(folder: str, span: Span) -> Iterator[ImageFile]:
    return walk_images(f"{folder.rstrip('/')}/{span.folder}".rstrip("/") or "/", Counter())


def _digest(file: ImageFile) -> bytes:
    return blake2b(file.state.encode(), digest_size=DIGEST_BYTES).digest()
