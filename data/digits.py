"""The digits of scikit-learn: 1,797 gray images of 8x8 pixels, ten classes."""

from pathlib import Path

import numpy as np
from PIL import Image

from data.errors import WrongUsageError
from data.folder import encode_png, write_images


def write(folder: Path, source: str | None = None) -> int:
    """Writes FOLDER/<digit>/<index>.png, the values 0 to 16 scaled to 0 to 255.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: must be None; the images are part of scikit-learn.

    Returns:
        The number of images.

    Raises:
        DataError: a source is set, or a file cannot be written.
    """
    if source is not None:
        raise WrongUsageError("digits takes no source: the images are part of scikit-learn")

    from sklearn.datasets import load_digits  # takes a second to import

    digits = load_digits()
    pixels = np.round(digits.images * 255 / 16).astype(np.uint8)
    images = (
        (f"{label}/{index:04d}.png", encode_png(Image.fromarray(image)))
        for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True))
    )
    return write_images(folder, images, total=len(pixels))
