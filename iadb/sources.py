"""Images that a model translates, as its requests and results have them."""

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from components.image_example_gen.errors import RejectedImage
from pipeline.translation.files import REQUEST_BYTES
from pipeline.translation.requests import to_request
from trainer.common.image_grid import encode_png


def requests_of(
    images: Sequence[str | os.PathLike[str] | bytes | np.ndarray],
    shape: tuple[int, int, int],
    most: int,
) -> Iterator[list[bytes]]:
    """Reads the files of one request after the other, since files may be large.

    Args:
        images: as in `read_source`.
        shape: (H, W, C) of the results.
        most: images of a request; if they are larger than REQUEST_BYTES together, it has fewer.

    Raises:
        ValueError: as `read_source`.
    """
    files: list[bytes] = []
    for row, image in enumerate(images):
        file = read_source(image, row, shape)
        if files and sum(map(len, files)) + len(file) > REQUEST_BYTES:
            yield files
            files = []
        files.append(file)
        if len(files) == most:
            yield files
            files = []
    if files:
        yield files


def read_source(
    image: str | os.PathLike[str] | bytes | np.ndarray, row: int, shape: tuple[int, int, int]
) -> bytes:
    """Returns the file that a request has for an image.

    Args:
        image: the path or the content of a file, or an array uint8 [height, width, C].
        row: of the image among all, which errors name.
        shape: (H, W, C) of the results.

    Raises:
        ValueError: it is no such image.
    """
    if isinstance(image, np.ndarray):
        is_image = image.ndim == 3 and image.size > 0 and image.shape[2] in (1, 3, 4)
        if image.dtype != np.uint8 or not is_image:
            raise ValueError(
                "expected images of type uint8 and shape (height, width, C), with C 1, 3 or 4, got "
                f"{image.dtype} {image.shape}"
            )
        image = encode_png(image)
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    try:
        return to_request(content, shape)
    except RejectedImage as reason:
        raise ValueError(f"images, row {row}: {reason}") from None


def read_result(png: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the pixels of a result, uint8 [H, W, C]."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image).reshape(shape)
