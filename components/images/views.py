"""Views of an image in which copies of training images are searched: shifted and mirrored ones."""

import numpy as np

# Smaller images lose a good part of what they show by a shift; in larger ones, a pixel changes
# their vectors too little to hide a copy.
MIN_SHIFTED, MAX_SHIFTED = 16, 63
SHIFTS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


def search_views(images: np.ndarray) -> list[np.ndarray]:
    """The images, the same shifted by a pixel in eight directions, and mirrored left to right.

    Borders are repeated where a shift leaves a gap.

    Args:
        images: uint8 [N, H, W, C].

    Returns:
        Arrays shaped as `images`: the images first, the mirrored ones last.
    """
    shifts = SHIFTS if MIN_SHIFTED <= min(images.shape[1:3]) <= MAX_SHIFTED else ()
    return [images, *(_shifted(images, *shift) for shift in shifts), images[:, :, ::-1]]


def _shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    rows = np.arange(images.shape[1]) - down
    columns = np.arange(images.shape[2]) - right
    return images.take(rows, axis=1, mode="clip").take(columns, axis=2, mode="clip")
