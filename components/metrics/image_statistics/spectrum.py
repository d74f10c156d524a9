"""The power spectrum of images: blur lowers high frequencies, artifacts of upsampling raise some.

Durall, Keuper and Keuper 2020, "Watch Your Up-Convolution: CNN Based Generative Deep Neural
Networks Are Failing to Reproduce Spectral Distributions", CVPR, arXiv 2003.01826.
"""

import functools

import numpy as np
import scipy.fft

from components.metrics.arrays import MetricError, check_features

# Power of rounding to 8 bits: uniform errors of one gray level have this variance. Less power than
# that cannot be seen in an image.
ROUNDING = (1 / 255) ** 2 / 12


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
    order, starts, sizes = _rings(height, width)
    sums = np.add.reduceat(power.ravel()[order], starts, dtype=np.float64)
    return (sums[1:] / (sizes[1:] * (height * width * channels))).astype(np.float32)


@functools.cache
def _rings(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frequencies sorted by ring: their flat indices, and the start and the size of each ring.

    No ring between the first, which is frequency zero, and the last is empty: rows and columns of
    frequencies are one apart.
    """
    down, right = (scipy.fft.fftfreq(side, 1 / side) for side in (height, width))
    rings = np.rint(np.hypot(down[:, None], right)).astype(int).ravel()
    order = np.argsort(rings, kind="stable")
    sizes = np.bincount(rings)
    return order, np.cumsum(sizes) - sizes, sizes


def spectrum_ratio(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The mean power of generated images over that of real ones, by frequency.

    Both with the power of rounding added, so that frequencies without visible power have ratio 1.

    Args:
        real: spectra by `spectrum_of`, float [N, K].
        generated: float [M, K].

    Returns:
        float64 [K].

    Raises:
        MetricError: the arrays are too small, differ in K, are not finite, or hold negative power.
    """
    check_features(real=real, generated=generated)
    means = []
    for name, spectra in (("real", real), ("generated", generated)):
        if spectra.min() < 0:
            raise MetricError(f"the spectra of the {name} images hold negative power")
        means.append(spectra.mean(axis=0, dtype=np.float64) + ROUNDING)
    return means[1] / means[0]


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
