"""The mean image in a few cells: what is where, so that images that are upside down are seen."""

import numpy as np

from components.metrics.arrays import mean_difference

CELLS = 4  # per side


def layout_of(image: np.ndarray) -> np.ndarray:
    """The mean of each channel in each cell of a grid of CELLS x CELLS.

    Where a side is no multiple of CELLS, cells differ by one pixel; a side with fewer pixels has a
    cell for each.

    Args:
        image: uint8 [H, W, C].

    Returns:
        float32 [G], in gray levels of 256: cells row by row, the channels of each together.
    """
    sums, sizes = image, 1
    for axis in (0, 1):
        side = image.shape[axis]
        count = min(CELLS, side)
        starts = np.arange(count) * side // count
        sums = np.add.reduceat(sums, starts, axis=axis, dtype=np.float64)
        sizes = np.multiply.outer(sizes, np.diff(starts, append=side))
    return (sums / sizes[..., None]).astype(np.float32).ravel()


def layout_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The root mean square difference between the mean images, in gray levels of 256.

    Args:
        real: by `layout_of`, float [N, G].
        generated: float [M, G].

    Raises:
        MetricError: the arrays are too small, differ in G, or are not finite.
    """
    return float(np.sqrt(np.mean(mean_difference(real, generated) ** 2)))
