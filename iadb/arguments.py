"""What a program asks a model for: numbers, seeds, labels, and images to translate."""

import io
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np
from PIL import Image

from components.image_example_gen.errors import RejectedImage
from pipeline.translation.files import REQUEST_BYTES
from pipeline.translation.requests import to_request
from trainer.common.image_grid import encode_png
from trainer.serving.stored_model import StoredModel

LEAST_SEED, LAST_SEED = -(2**63), 2**63 - 1  # int64, as models take them
Labels = str | Sequence[str]  # of all images, or one for each
ImageLike = str | os.PathLike[str] | bytes | np.ndarray | Image.Image


def check_number(name: str, number: int) -> None:
    """Raises a ValueError unless a number is whole and at least 1."""
    if not (isinstance(number, Integral) and number >= 1):
        raise ValueError(f"{name}={number!r}: expected a whole number of at least 1")


def seeds_from(first: int, count: int) -> range:
    """The seeds of so many images.

    Raises:
        ValueError: one is no int64.
    """
    try:
        first, count = operator.index(first), operator.index(count)  # those of NumPy wrap around
    except TypeError:
        raise ValueError(f"seed={first!r}: expected a whole number") from None
    seeds = range(first, first + count)
    if seeds and not LEAST_SEED <= seeds[0] <= seeds[-1] <= LAST_SEED:
        raise ValueError(
            f"seed={first}: expected seeds from {LEAST_SEED} to {LAST_SEED}, got {seeds[0]} to "
            f"{seeds[-1]}"
        )
    return seeds


def seeds_of(count: int, seed: int, seeds: Sequence[int] | None) -> Sequence[int]:
    """The seeds that are named, or without any, so many from `seed` on.

    Raises:
        ValueError: one is no int64, or there are none.
    """
    if seeds is None:
        check_number("count", count)
        return seeds_from(seed, count)
    if not (named := each_seed(seeds)):
        raise ValueError("seeds: expected at least one")
    return named


def each_seed(seeds: Iterable[int]) -> list[int]:
    """These seeds; raises a ValueError if one is no int64."""
    return [seeds_from(seed, 1)[0] for seed in seeds]


def check_memory(count: int, values: int) -> None:
    """Raises a ValueError if images of so many values each would take half of the memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if count * values > memory / 2:
        raise ValueError(
            f"{count:,} images take {count * values / 2**30:,.1f} GiB, and this machine has "
            f"{memory / 2**30:.1f} GiB: draw fewer at a time"
        )


def known_labels(model: StoredModel, label: Labels | None, count: int) -> list[str]:
    """A label for each of so many images, as the model spells it.

    Raises:
        ValueError: there is another number of labels, or one that the model does not know.
    """
    # One that is no name is refused as such; the order of a set is no order of images.
    if isinstance(label, np.ndarray) and label.ndim == 0:
        label = label.item()
    if isinstance(label, str | bytes | set | dict) or not hasattr(label, "__len__"):
        return [model.known_label(label)] * count
    if len(label) != count:
        raise ValueError(f"expected one label, or one for each of {count}, got {len(label)}")
    return [model.known_label(each) for each in label]


def requests_of(
    images: Sequence[ImageLike],
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


def read_source(image: ImageLike, row: int, shape: tuple[int, int, int]) -> bytes:
    """Returns the file that a request has for an image.

    Args:
        image: the path or the content of a file, one that Pillow has opened, or an array uint8
            [height, width, C].
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
    try:
        return to_request(read_content(image), shape)
    except RejectedImage as reason:
        raise ValueError(f"images, row {row}: {reason}") from None


def read_content(image: str | os.PathLike[str] | bytes | Image.Image) -> bytes:
    """Returns the content of an image file, or of one with the pixels that Pillow has opened."""
    if isinstance(image, Image.Image):
        file = io.BytesIO()
        image.save(file, "TIFF" if image.mode == "CMYK" else "PNG", exif=image.getexif())
        return file.getvalue()
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def read_result(png: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the pixels of a result, uint8 [H, W, C]."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image).reshape(shape)
