"""Oxford Flowers 102: 8,189 color images of many sizes, 102 classes (Nilsback, Zisserman 2008)."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.archives import obtain, read_files
from data.folder import write_images

URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
ARCHIVE = "102flowers.tgz"
LABELS = "imagelabels.mat"
# MD5 does not protect against attackers, but Oxford publishes nothing else.
CHECKSUMS = {
    ARCHIVE: "md5:52808999861908f626f3c1f4e79d11fa",
    LABELS: "md5:e0620be6f572b9609742df49c70aed4d",
}

_IMAGE = re.compile(r"jpg/(image_([0-9]{5})\.jpg)")


def write(folder: Path, source: str | None = None) -> int:
    """Writes FOLDER/<class>/image_<number>.jpg, the unchanged files, with classes 001 to 102.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: folder or base URL of ARCHIVE and LABELS; by default URL.

    Returns:
        The number of images.

    Raises:
        DataError: a file is unavailable, is not the expected one, or cannot be written.
    """
    from scipy.io import loadmat  # slow to import

    base = (source or URL).rstrip("/")
    labels, archive = (obtain(f"{base}/{name}", CHECKSUMS[name]) for name in (LABELS, ARCHIVE))
    classes = loadmat(labels)["labels"].ravel()
    return write_images(folder, _images(archive, classes), total=len(classes))


def _images(archive: Path, classes: np.ndarray) -> Iterator[tuple[str, bytes]]:
    for name, content in read_files(archive):
        if match := _IMAGE.fullmatch(name):
            yield f"{classes[int(match[2]) - 1]:03d}/{match[1]}", content
