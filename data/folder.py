"""Writes image folders; each file atomically, and only if its content changes."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track

from data.errors import UnwritableError
from trainer.common.files import atomic_write


def encode_png(image: Image.Image) -> bytes:
    """Encodes an image as a PNG file; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_images(
    folder: Path, images: Iterable[tuple[str, bytes]], total: int | None = None
) -> int:
    """Writes image files to a folder, which is created if missing.

    A file that already has the same bytes is not touched and keeps its modification time; other
    files in the folder are ignored.

    Args:
        folder: where to write.
        images: pairs of a path relative to `folder` and the bytes of the file. The caller must
            ensure that the path is safe.
        total: number of images for the progress bar, if known.

    Returns:
        The number of images, written or already present.

    Raises:
        UnwritableError: a file cannot be written.
        KeyboardInterrupt: on Ctrl-C; says how many images there are.
    """
    console = Console(stderr=True)
    shown = track(images, "writing images", total, console=console, disable=not console.is_terminal)
    count = 0
    try:
        for name, content in shown:
            path = folder / name
            try:
                _write(path, content)
            except OSError as error:
                raise UnwritableError(f"cannot write {path}: {error.strerror}") from None
            count += 1
    except KeyboardInterrupt:
        written = f"{count:,} of {total:,}" if total else f"{count:,}"
        raise KeyboardInterrupt(
            f"{folder} has {written} images; the same command writes the others"
        ) from None
    return count


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        partial.write_bytes(content)
