"""Fashion-MNIST: 70,000 gray images of 28x28 pixels, ten classes (arXiv 1708.07747)."""

import gzip
import hashlib
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
CHECKSUMS = {  # SHA-256 of the unpacked files: how gzip packed them differs
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


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
    # Everything is read before anything is written, so damaged files leave no partial folder.
    origin = Path(source or DEBIAN_FOLDER)
    parts = {part: read_part(origin, part) for part in ("train", "t10k")}
    images = (
        (f"{CLASSES[label]}/{part}_{index:05d}.png", encode_png(Image.fromarray(image)))
        for part, (pixels, labels) in parts.items()
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True))
    )
    return write_images(folder, images, total=sum(len(labels) for _, labels in parts.values()))


def read_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a part, train or t10k, from a folder with its two IDX files, gzipped (.gz) or not.

    Returns:
        Images, uint8 [N, SIDE, SIDE], and labels, uint8 [N], 0 to 9.

    Raises:
        DataError: a file is missing, or is not the expected one.
    """
    pixels, labels = (
        np.frombuffer(_read(folder, f"{part}-{kind}-ubyte"), np.uint8, offset=header)
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return pixels.reshape(-1, SIDE, SIDE), labels


def _read(folder: Path, name: str) -> bytes:
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}: install the Debian package dataset-fashion-mnist, or pass a "
            "folder with the four IDX files as the source"
        )
    packed = folder / f"{name}.gz"
    path = packed if packed.is_file() else folder / name
    if not path.is_file():
        raise DataError(f"no file {name} or {name}.gz in {folder}")
    try:
        content = path.read_bytes()
        if path == packed:
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error})") from None
    found = hashlib.sha256(content).hexdigest()
    if found != CHECKSUMS[name]:
        raise DataError(
            f"{path} is damaged or a different file: unpacked, its sha256 is {found}, expected "
            f"{CHECKSUMS[name]}"
        )
    return content
