"""Statistics of images that feature spaces hardly see: sharpness, colors, and what is where.

Each is a few numbers per image; distances compare their means over two sets of images. Spectra show
blur, which lowers high frequencies, and artifacts of upsampling, which raise some: Durall, Keuper
and Keuper 2020, "Watch Your Up-Convolution: CNN Based Generative Deep Neural Networks Are Failing
to Reproduce Spectral Distributions", CVPR, arXiv 2003.01826.
"""

import functools
from typing import NamedTuple

import numpy as np
import scipy.fft

from components.metrics.arrays import check_features

# Power of rounding to 8 bits: uniform errors of one gray level have this variance. Less power than
# that cannot be seen in an image.
ROUNDING = (1 / 255) ** 2 / 12
# The tint varies about twice as much between images as the mean of a color: halved, it does not
# raise the error of the distance where all tints are right.
TINT_WEIGHT = 0.5
CELLS = 4  # per side of the layout


class ImageStatistics(NamedTuple):
    """Statistics of N images, or of a single one without the first dimension.

    Attributes:
        spectrum: float32 [N, K], by `spectrum_of`.
        colors: float32 [N, 8], or [N, 2] of gray images, by `colors_of`.
        layout: float32 [N, G], by `layout_of`.
    """

    spectrum: np.ndarray
    colors: np.ndarray
    layout: np.ndarray


def statistics_of(images: np.ndarray) -> ImageStatistics:
    """Computes the statistics of images, uint8 [N, H, W, C] with at least one of them.

    Those of an image do not depend on the others.
    """
    return ImageStatistics(
        *(
            np.stack([describe(image) for image in images])
            for describe in (spectrum_of, colors_of, layout_of)
        )
    )


def spectrum_of(image: np.ndarray) -> np.ndarray:
    """The power of an image by frequency.

    The power of a frequency is |F|^2 / (H W), where F is the Fourier transform of a channel with
    values from 0 to 1, less its mean; the mean over channels. White noise has its variance at every
    frequency.

    Args:
        image: uint8 [H, W, C].

    Returns:
        float32 [K], the mean over each ring of frequencies that round to k = 1, 2, ..., K cycles
        per image; the corners are in the last rings. In a rectangular image these are cycles per
        side, so that a ring is an ellipse in cycles per pixel. Empty for an image of one pixel.
    """
    height, width, channels = image.shape
    power = np.zeros((height, width), np.float32)
    for channel in range(channels):
        values = image[..., channel] / np.float32(255)
        transform = scipy.fft.fft2(values - values.mean())
        power += transform.real**2 + transform.imag**2
    rings, sizes = _rings(height, width)
    sums = np.bincount(rings, power.ravel())
    return (sums[1:] / (sizes[1:] * (height * width * channels))).astype(np.float32)


@functools.cache
def _rings(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The ring of each frequency, int [H * W], 0 for frequency zero, and the size of each ring.

    No ring is empty: rows and columns of frequencies are one apart.
    """
    down, right = (scipy.fft.fftfreq(side, 1 / side) for side in (height, width))
    rings = np.rint(np.hypot(down[:, None], right)).astype(int).ravel()
    return rings, np.bincount(rings)


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


def spectrum_ratio(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The mean power of generated images over that of real ones, by frequency.

    Both with the power of rounding added, so that frequencies without visible power have ratio 1.

    Args:
        real: spectra by `spectrum_of`, float [N, K].
        generated: float [M, K].

    Returns:
        float64 [K].

    Raises:
        MetricError: the arrays are too small, differ in K, or are not finite.
    """
    before, after = _means(real, generated)
    return (after + ROUNDING) / (before + ROUNDING)


def spectrum_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The root mean square, over frequencies, of the logarithm of `spectrum_ratio`.

    0 for equal spectra; log 2 = 0.69 if the power of all frequencies is doubled or halved.

    Args:
        real: spectra by `spectrum_of`, float [N, K].
        generated: float [M, K].

    Raises:
        MetricError: as `spectrum_ratio`.
    """
    return float(np.sqrt(np.mean(np.log(spectrum_ratio(real, generated)) ** 2)))


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
    before, after = _means(real, generated)
    return float(np.abs(after - before).max())


def layout_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The root mean square difference between the mean images, in gray levels of 256.

    Args:
        real: by `layout_of`, float [N, G].
        generated: float [M, G].

    Raises:
        MetricError: the arrays are too small, differ in G, or are not finite.
    """
    before, after = _means(real, generated)
    return float(np.sqrt(np.mean((after - before) ** 2)))


def _means(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The means over images, float64; raises MetricError as `check_features`."""
    check_features(real=real, generated=generated)
    return real.mean(axis=0, dtype=np.float64), generated.mean(axis=0, dtype=np.float64)
