"""A mark in the pixels: some coefficients of the Fourier transform of x0 have the values of a key.

Wen et al., "Tree-Ring Watermarks", 2023 (arXiv 2305.20030), with a pattern in place of rings.
Whoever has the model maps an image back to its x0, and compares the coefficients with the key.
"""

from typing import Any

import numpy as np

from trainer.common.options import Options
from trainer.light.noise import noise_from_seeds

AXES = (-2, -1)  # of an array [N, H, W]


class Mark(Options):
    """Which coefficients are set, and to what.

    They are those of the middle channel: of red, green and blue, JPEG keeps green best.

    Attributes:
        key: a whole number; the values are those of its noise.
        lowest: frequency, in periods per image, with `highest` of the coefficients that are set.
        highest: both are included.
    """

    key: int
    lowest: float = 0.0
    highest: float = 2.0

    def coefficients(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Which coefficients are set, bool [H, W], and the values of all, complex64 [H, W]."""
        rows, columns = (np.fft.fftfreq(side, 1 / side) for side in shape)
        frequency = np.hypot(rows[:, np.newaxis], columns)
        pattern = noise_from_seeds(np.array([self.key]), shape)[0]
        where = (frequency >= self.lowest) & (frequency <= self.highest)
        return where, np.fft.fft2(pattern).astype(np.complex64)

    def set_in(self, x0: np.ndarray) -> np.ndarray:
        """Returns noise, float32 [N, H, W, C], with the mark."""
        where, values = self.coefficients(x0.shape[1:3])
        channel = middle(x0.shape[3])
        spectrum = np.fft.fft2(x0[..., channel], axes=AXES)
        marked = x0.copy()
        marked[..., channel] = np.fft.ifft2(np.where(where, values, spectrum), axes=AXES).real
        return marked

    def p_values(self, x0: np.ndarray) -> np.ndarray:
        """The chances that another key agrees with noise at least as well, float64 [N].

        Noise and key agree by the cosine of the angle between their coefficients. Those of a key
        drawn at random have any direction in d dimensions, where (1 - cosine) / 2 has a beta
        distribution with both parameters (d - 1) / 2; so no images to compare with are needed. Of
        normal noise without the mark, one in a hundred has at most 0.01, whatever the key. Of x0
        with a direction of their own, one key in a hundred has.

        Args:
            x0: float32 [N, H, W, C], to which images were mapped back.
        """
        # Here, since drawing with the mark needs only NumPy.
        from scipy.special import betainc

        where, values = self.coefficients(x0.shape[1:3])
        key = values[where]
        found = np.fft.fft2(x0[..., middle(x0.shape[3])], axes=AXES)[:, where]
        sizes = np.linalg.norm(found, axis=1) * np.linalg.norm(key)
        cosine = (found @ key.conj()).real / np.maximum(sizes, np.finfo(float).tiny)
        # Coefficients of real noise are conjugates in pairs, so that d is their number.
        half = (len(key) - 1) / 2
        return betainc(half, half, np.clip((1 - cosine) / 2, 0, 1))


def middle(channels: int) -> int:
    """The channel of the mark."""
    return channels // 2


def read_mark(metadata: dict[str, Any]) -> Mark | None:
    """The mark of a model from its metadata (assets.extra/iadb.json); None if it sets none."""
    mark = metadata.get("mark")
    return Mark.model_validate(mark) if mark else None
