"""Brightness, contrast and colors of images, which feature spaces partly normalize away."""

import numpy as np

from components.metrics.arrays import mean_difference


def colors_of(image: np.ndarray) -> np.ndarray:
    """Mean and standard deviation, over the pixels, of brightness and colors.

    Brightness is the mean of the channels; the colors are red minus blue, and green minus the mean
    of red and blue.

    Args:
        image: uint8 [H, W, C], with C 1 or 3.

    Returns:
        float32 [6], the three means and the three standard deviations, in gray levels of 256; [2]
        for a gray image, which has brightness alone.
    """
    pixels = image.reshape(-1, image.shape[-1]).astype(np.float64)
    values = [pixels.mean(axis=1)]
    if image.shape[-1] == 3:
        red, green, blue = pixels.T
        values += [red - blue, green - (red + blue) / 2]
    found = [value.mean() for value in values] + [value.std() for value in values]
    return np.array(found, np.float32)


def color_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The largest absolute difference between the mean images' brightness, contrast or colors.

    In gray levels of 256: 10 if samples are brighter by 10 on average, or redder, or more varied.

    Args:
        real: by `colors_of`, float [N, k].
        generated: float [M, k].

    Raises:
        MetricError: the arrays are too small, differ in k, or are not finite.
    """
    return float(np.abs(mean_difference(real, generated)).max())
