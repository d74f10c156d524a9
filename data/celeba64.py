"""CelebA at 64x64 pixels: 202,599 aligned color faces (Liu, Luo, Wang, Tang 2015).

The crop is the central 140x140 pixels of the aligned 178x218 images, columns 19 to 158 and
rows 39 to 178 counted from 0. DDIM uses another crop (128x128, further down), so figures on the two
are not comparable.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from data.archives import obtain, read_files
from data.errors import DataError
from data.folder import encode_png, write_images

PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
CHECKSUM = "md5:00d2c5bc6d35e252742224ab0c1e8fcb"
MAX_BYTES = 4 << 30  # limit of the archive and of its unpacked size; published: 1.4 GB

ALIGNED_SIZE = (178, 218)  # width, height, pixels
CROP_BOX = (19, 39, 159, 179)  # left, top, right, bottom, pixels
SIDE = 64  # pixels

_IMAGE = re.compile(r"img_align_celeba/([0-9]{6})\.jpg")


def write(folder: Path, source: str | None = None, checksum: str = CHECKSUM) -> int:
    """Writes FOLDER/<number>.png, cropped and resized with antialiasing.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: path or URL of img_align_celeba.zip; required.
        checksum: checksum of the archive, as "algorithm:digest".

    Returns:
        The number of images.

    Raises:
        DataError: the source is missing, the archive is not the expected one, an image in it is
            not an aligned JPEG, or a file cannot be written.
    """
    if source is None:
        raise DataError(
            "celeba64 needs a source: the official Google Drive serves only browsers, so download "
            f"img_align_celeba.zip from {PAGE} and pass its path"
        )
    with obtain(source, checksum, MAX_BYTES) as archive:
        return write_images(folder, _faces(archive))


def _faces(archive: Path) -> Iterator[tuple[str, bytes]]:
    for name, content in read_files(archive, MAX_BYTES):
        if match := _IMAGE.fullmatch(name):
            try:
                face = _face(content)
            except (OSError, SyntaxError, ValueError) as error:
                raise DataError(f"{archive}: {name} is not an aligned face ({error})") from None
            yield f"{match[1]}.png", encode_png(face)


def _face(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg), formats=["JPEG"])
    if image.size != ALIGNED_SIZE:
        raise ValueError(f"size {image.size}, expected {ALIGNED_SIZE}")
    # Cropped first, because resize(box=...) mixes pixels outside the box into its border.
    return image.convert("RGB").crop(CROP_BOX).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
