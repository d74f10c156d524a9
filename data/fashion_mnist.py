"""Fashion-MNIST: 70,000 gray images of 28x28 pixels, ten classes (arXiv 1708.07747)."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from data.errors import DataError
from data.folder import encode_png, write_images

DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"  # of the Debian package dataset-fashion-mnist
CLASSES = (
    "T-shirt_top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle_boot",
)
SIDE = 28  # pixels
MAX_COUNT = 60_000  # images in the larger of the published files
UNSIGNED_BYTE = 0x08  # the element type in the magic number of an IDX file


def write(folder: Path, source: str | None = None) -> int:
    """Writes FOLDER/<class>/<part>_<index>.png, where part is train or t10k.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: a folder with the four IDX files, gzipped (.gz) or not; by default the folder of
            the Debian package.

    Returns:
        The number of images.

    Raises:
        DataError: a file is missing, is not the expected one, or cannot be written.
    """
    origin = Path(source or DEBIAN_FOLDER)
    if not origin.is_dir():
        raise DataError(
            f"no folder {origin}: install the Debian package dataset-fashion-mnist, or pass a "
            "folder with the four IDX files as the source"
        )
    # Everything is read before anything is written, so invalid files leave no partial folder.
    parts = {part: _read_part(origin, part) for part in ("train", "t10k")}
    images = (
        (f"{CLASSES[label]}/{part}_{index:05d}.png", encode_png(Image.fromarray(image)))
        for part, (pixels, labels) in parts.items()
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True))
    )
    return write_images(folder, images, total=sum(len(labels) for _, labels in parts.values()))


def _read_part(origin: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads images, uint8 [N, SIDE, SIDE], and labels, uint8 [N], 0 to 9."""
    pixels = read_idx(_find(origin, f"{part}-images-idx3-ubyte"), (SIDE, SIDE))
    path = _find(origin, f"{part}-labels-idx1-ubyte")
    labels = read_idx(path, ())
    if len(pixels) != len(labels):
        raise DataError(f"{path} has {len(labels)} labels for {len(pixels)} images")
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if wrong.size:
        raise DataError(
            f"{path}: label {wrong[0]} is {labels[wrong[0]]}, expected 0 to {len(CLASSES) - 1}"
        )
    return pixels, labels


def _find(origin: Path, name: str) -> Path:
    for path in (origin / f"{name}.gz", origin / name):
        if path.is_file():
            return path
    raise DataError(f"no file {name} or {name}.gz in {origin}")


def read_idx(path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, gzipped if its name ends in .gz.

    The format is two zero bytes, the element type, the number of dimensions, each dimension as a
    big-endian 32-bit number, then the elements (http://yann.lecun.com/exdb/mnist).

    Args:
        path: the file.
        item_shape: the required dimensions after the first.

    Returns:
        uint8 [N, *item_shape], with N at most MAX_COUNT.

    Raises:
        DataError: the file cannot be read or is not exactly such an array.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            magic = file.read(4)
            expected = bytes((0, 0, UNSIGNED_BYTE, 1 + len(item_shape)))
            if magic != expected:
                raise DataError(
                    f"{path}: the magic number is {magic.hex() or 'missing'}, expected "
                    f"{expected.hex()}"
                )
            count, *item = struct.unpack(f">{1 + len(item_shape)}I", file.read(4 * magic[3]))
            if tuple(item) != item_shape or count > MAX_COUNT:
                raise DataError(
                    f"{path}: the dimensions are {(count, *item)}, expected at most "
                    f"{(MAX_COUNT, *item_shape)}"
                )
            size = count * math.prod(item_shape)
            content = file.read(size + 1)  # one more byte detects trailing data
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error})") from None
    if len(content) != size:
        problem = "is truncated" if len(content) < size else "has trailing data"
        raise DataError(f"{path} {problem}: {size} bytes expected after the header")
    return np.frombuffer(content, np.uint8).reshape(count, *item_shape)
