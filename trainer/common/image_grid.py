"""Lays images out as one picture, for a person to look at."""

import io
import math

import numpy as np
from PIL import Image

GAP_GRAY = 128  # between black-framed images as well as between white-framed ones
SMALL = 64  # pixels; smaller images are enlarged, so that they can be seen


def image_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lays images out row by row, with a gray gap around each.

    Args:
        images: uint8 [N, H, W, C], C 1 or 3, N at least 1.
        columns: images a row; without it, the grid is close to a square.

    Returns:
        uint8 [height, width, C]. Images with sides below SMALL are enlarged by a whole factor.
    """
    factor = max(1, SMALL // images.shape[1])
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    gap = max(1, images.shape[1] // 16)
    images = np.pad(images, [(0, 0), (gap, 0), (gap, 0), (0, 0)], constant_values=GAP_GRAY)
    n, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.full((rows * columns, height, width, channels), GAP_GRAY, np.uint8)
    cells[:n] = images
    cells = cells.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    grid = cells.reshape(rows * height, columns * width, channels)
    return np.pad(grid, [(0, gap), (0, gap), (0, 0)], constant_values=GAP_GRAY)


def grid_png(images: np.ndarray, columns: int | None = None) -> bytes:
    """The grid of images, uint8 [N, H, W, C], as a PNG file; `columns` as of `image_grid`."""
    grid = image_grid(images, columns)
    png = io.BytesIO()
    Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid).save(png, "PNG")
    return png.getvalue()
