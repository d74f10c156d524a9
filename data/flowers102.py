"""Oxford Flowers 102: 8,189 color images of many sizes, 102 classes (Nilsback, Zisserman 2008)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from data.archives import obtain, read_files
from data.errors import DataError
from data.folder import write_images

URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
ARCHIVE = "102flowers.tgz"
LABELS = "imagelabels.mat"
CHECKSUMS = MappingProxyType(
    {
        ARCHIVE: "md5:52808999861908f626f3c1f4e79d11fa",
        LABELS: "md5:e0620be6f572b9609742df49c70aed4d",
    }
)
CLASSES = 102
MAX_BYTES = 1 << 30  # limit of the archive and of its unpacked size; published: 345 MB

_IMAGE = re.compile(r"jpg/(image_([0-9]{5})\.jpg)")


def write(folder: Path, source: str | None = None, checksums: Mapping[str, str] = CHECKSUMS) -> int:
    """Writes FOLDER/<class>/image_<number>.jpg, the unchanged files, with classes 001 to 102.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: folder or base URL of ARCHIVE and LABELS; by default URL.
        checksums: checksums of both files by name, as "algorithm:digest".

    Returns:
        The number of images.

    Raises:
        DataError: a file is unavailable, is not the expected one, or cannot be written.
    """
    base = (source or URL).rstrip("/")
    with obtain(f"{base}/{LABELS}", checksums[LABELS], MAX_BYTES) as path:
        labels = _read_labels(path)
    with obtain(f"{base}/{ARCHIVE}", checksums[ARCHIVE], MAX_BYTES) as path:
        count = write_images(folder, _images(path, labels), total=len(labels))
    if count != len(labels):
        raise DataError(f"{base}/{ARCHIVE} has {count} images for {len(labels)} labels")
    return count


def _read_labels(path: Path) -> np.ndarray:
    """Reads the class of each image, int [N], 1 to CLASSES."""
    from scipy.io import loadmat  # slow to import

    try:
        labels = loadmat(path, variable_names=["labels"])["labels"].ravel().astype(int)
    except Exception as error:  # on damaged bytes loadmat raises undocumented errors
        raise DataError(
            f"{path} is not a MATLAB file with labels ({type(error).__name__})"
        ) from None
    if not labels.size or labels.min() < 1 or labels.max() > CLASSES:
        raise DataError(f"{path}: the labels must be from 1 to {CLASSES}")
    return labels


def _images(archive: Path, labels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    for name, content in read_files(archive, MAX_BYTES):
        if match := _IMAGE.fullmatch(name):
            number = int(match[2])  # counted from 1
            if not 1 <= number <= len(labels):
                raise DataError(f"{archive}: no label for {name}; found {len(labels)} labels")
            yield f"{labels[number - 1]:03d}/{match[1]}", content
