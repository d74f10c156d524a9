"""Microsoft's Fluent 3D emoji: 3,391 RGBA images of 256x256 pixels.

The npm package @lobehub/fluent-emoji-3d contains them. The name of a file consists of the code
points of its emoji, as in 1f44b-1f3fd.webp: a waving hand, then a skin tone. Variants of one base
code point are near-duplicates, which must be in the same split: set `data.group_pattern` to
GROUP_PATTERN.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from data.archives import obtain, read_files
from data.folder import write_images

PACKAGE = "npm:@lobehub/fluent-emoji-3d@1.1.0"
CHECKSUM = "sha256:c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"

# Captures the first code point without leading zeros, because the package has some emoji twice, as
# in 0023-fe0f-20e3.webp and 23-fe0f-20e3.webp.
GROUP_PATTERN = r"(?:^|/)0*([1-9a-f][0-9a-f]*)(?:[-_][0-9a-f]+)*\.webp$"

_ASSET = re.compile(r"package/assets/([0-9a-f_-]+\.webp)")


def write(folder: Path, source: str | None = None) -> int:
    """Writes FOLDER/<code points>.webp, the unchanged files of the package.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: path or URL of the package's tarball; by default `npm pack` downloads it.

    Returns:
        The number of images.

    Raises:
        DataError: the tarball is unavailable or not the expected one, or a file cannot be
            written.
    """
    return write_images(folder, read_assets(obtain(source or PACKAGE, CHECKSUM)))


def read_assets(tarball: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the names and bytes of the images in the package's tarball."""
    for name, content in read_files(tarball):
        if match := _ASSET.fullmatch(name):
            yield match[1], content
