"""Arranges images in one picture."""

import io
import math

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trainer.common import xmp

GAP_GRAY = 128  # visible between black images and between white ones
GRID_SIDE = 10  # images per row, and rows, of many images of one kind
MAX_COLUMNS = 16  # classes beside each other
SMALL = 64  # pixels; smaller images are enlarged to be visible


def image_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Arranges images row by row, with a gray gap around each if there are several.

    Args:
        images: uint8 [N, H, W, C], with C 1 or 3 and N at least 1.
        columns: images per row; by default the grid is nearly square.

    Returns:
        uint8 [height, width, C]. Images whose longer side is below SMALL are enlarged by a
        whole factor.
    """
    longer = max(images.shape[1:3])
    factor = max(1, SMALL // longer)
    n, height, width, channels = images.shape
    gap = max(1, factor * longer // 16) if n > 1 else 0
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cell_height, cell_width = (gap + factor * side for side in (height, width))
    shape = (rows * cell_height + gap, columns * cell_width + gap, channels)
    grid = np.full(shape, GAP_GRAY, np.uint8)
    for i, image in enumerate(images):  # one by one: thousands of large ones take gigabytes
        top, left = (i // columns) * cell_height + gap, (i % columns) * cell_width + gap
        enlarged = image.repeat(factor, axis=0).repeat(factor, axis=1)
        grid[top : top + factor * height, left : left + factor * width] = enlarged
    return grid


def columns_of_classes(count: int, classes: int) -> int | None:
    """Columns of a nearly square grid of images whose classes come in turn, one class in each.

    None, as `image_grid` takes it, without classes, with more than MAX_COLUMNS, and where no class
    has two images.
    """
    if not 1 < classes <= min(MAX_COLUMNS, count - 1):
        return None
    return classes * max(1, round(math.sqrt(count) / classes))


def grid_png(images: np.ndarray, columns: int | None = None, mark: str = "") -> bytes:
    """Returns the grid of images, uint8 [N, H, W, C], as a PNG file.

    Args:
        images, columns: as of `image_grid`.
        mark: an XMP packet (trainer/common/xmp.py); empty for none.
    """
    return encode_png(image_grid(images, columns), mark)


def encode_png(picture: np.ndarray, mark: str = "") -> bytes:
    """Returns a picture, uint8 [H, W, C] with C 1 or 3, as a PNG file; `mark` as of `grid_png`."""
    info = PngInfo()
    if mark:
        info.add_itxt(xmp.KEYWORD, mark)
    pixels = picture[..., 0] if picture.shape[2] == 1 else picture
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", pnginfo=info)
    return png.getvalue()
