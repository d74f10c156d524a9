"""The input that a SavedModel or ONNX model declares, and the conversion of images to it."""

import dataclasses

import numpy as np

from components.features.errors import FeatureError
from components.features.network import resize
from components.features.options import FeatureOptions


@dataclasses.dataclass(frozen=True)
class NetworkInput:
    """Converts images to the input of a network.

    Attributes:
        dtype: uint8 for values 0 to 255; float32 for (value / 255 - mean) / stddev.
        size: height and width in pixels to resize to; None for a network that resizes by itself.
        mean: float32 [3], of red, green and blue.
        stddev: float32 [3].
    """

    dtype: np.dtype
    size: tuple[int, int] | None
    mean: np.ndarray
    stddev: np.ndarray

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """Converts uint8 [N, H, W, 3] to [N, height, width, 3] of the network's type."""
        values = resize(images, *self.size) if self.size else images
        if self.dtype == np.uint8:
            return values if self.size is None else np.rint(values).clip(0, 255).astype(np.uint8)
        return (values / np.float32(255) - self.mean) / self.stddev


def declared_input(
    options: FeatureOptions, dtype: np.dtype, height: int | None, width: int | None
) -> NetworkInput:
    """Combines the declared input of a network with the configuration.

    Args:
        options: `resolution`, `mean` and `stddev`.
        dtype: of the network's input.
        height: of it, in pixels; None if the network accepts any.
        width: likewise.

    Raises:
        FeatureError: they contradict each other, or the type is neither uint8 nor float32.
    """
    if dtype not in (np.uint8, np.float32):
        raise FeatureError(f"{options.name} takes {dtype}: must be uint8 or float32")
    if dtype == np.uint8 and (options.mean or options.stddev):
        raise FeatureError(f"{options.name} takes uint8: mean and stddev are for float32")
    side = options.resolution
    if side and (height or side, width or side) != (side, side):
        raise FeatureError(f"{options.name} takes images {height}x{width}, not resolution={side}")
    height, width = height or side, width or side
    if (height is None) != (width is None):
        raise FeatureError(f"{options.name} fixes one side of its images: set resolution")
    return NetworkInput(
        np.dtype(dtype),
        None if height is None else (height, width),
        np.array(options.mean or (0, 0, 0), np.float32),
        np.array(options.stddev or (1, 1, 1), np.float32),
    )
