"""The feature space `pixels`: an image is its own feature vector."""

from collections.abc import Callable

import numpy as np

from components.features.options import FeatureOptions

HALF_RANGE = 127.5


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Returns `pixels`, which has no settings."""
    del options
    return pixels


def pixels(images: np.ndarray) -> np.ndarray:
    """Flattens images to vectors of their pixels, in the value range of the model.

    Args:
        images: uint8 [N, H, W, C].

    Returns:
        float32 [N, H*W*C] in [-1, 1].
    """
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(HALF_RANGE) - 1
