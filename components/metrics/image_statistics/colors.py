"""Brightness, contrast and colors of images, which feature spaces partly normalize away."""

import numpy as np

from components.metrics.arrays import mean_difference

# The tint varies about twice as much between images as the mean of a color: halved, it does not
# raise the error of the distance where all tints are right.
TINT_WEIGHT = 0.5


def colors_of(image: np.ndarray) -> np.ndarray:
    """Mean and standard deviation, over the pixels, of brightness and colors, and the tint.

    Brightness is the mean of the channels; the colors are red minus blue, and green minus the mean
    of red and blue. The tint is the mean of a color weighted by its square, so that the most
    colorful pixels count: means nearly cancel where images have all colors.

    Args:
        image: uint8 [H, W, C], with C 1 or 3.

    Returns:
        float32 [8], the three means, the three standard deviations and half of the two tints, in
        gray levels of 256; [2] for a gray image, which has brightness alone.
    """
    pixels = image.reshape(-1, image.shape[-1]).astype(np.float64)
    values, colors = [pixels.mean(axis=1)], []
    if image.shape[-1] == 3:
        red, green, blue = pixels.T
        colors = [red - blue, green - (red + blue) / 2]
    values += colors
    found = [value.mean() for value in values] + [value.std() for value in values]
    found += [TINT_WEIGHT * _tint(color) for color in colors]
    return np.array(found, np.float32)


def _tint(color: np.ndarray) -> float:
    """The mean of values weighted by their squares; 0 if all are 0."""
    weights = color**2
    total = weights.sum()
    return float(weights @ color / total) if total else 0.0


def color_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The largest absolute difference between the mean images' brightness, contrast or colors.

    In gray levels of 256: 10 if samples are brighter by 10 on average, or redder, or more varied,
    or if the most colorful parts are redder by 20.

    Args:
        real: by `colors_of`, float [N, k].
        generated: float [M, k].

    Raises:
        MetricError: the arrays are too small, differ in k, or are not finite.
    """
    return float(np.abs(mean_difference(real, generated)).max())
