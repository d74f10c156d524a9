"""Statistics of images that feature spaces hardly see: sharpness, colors, and what is where.

Each is a few numbers per image; distances compare their means over two sets of images.
"""

from typing import NamedTuple

import numpy as np

from components.metrics.image_statistics.colors import colors_of
from components.metrics.image_statistics.layout import layout_of
from components.metrics.image_statistics.spectrum import spectrum_of


class ImageStatistics(NamedTuple):
    """Statistics of N images, or of a single one without the first dimension.

    Attributes:
        spectrum: float32 [N, K], by `spectrum.spectrum_of`.
        colors: float32 [N, 8], or [N, 2] of gray images, by `colors.colors_of`.
        layout: float32 [N, G], by `layout.layout_of`.
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
            np.stack([describe(image) for image in images]).astype(np.float32)
            for describe in (spectrum_of, colors_of, layout_of)
        )
    )
