"""Views of an image: shifted and mirrored ones, by which copies are found that were changed so."""

import numpy as np

# Images below this width are also compared shifted. In larger ones, a shift of 2 pixels moves so
# little that the features hardly change. In smaller ones than MIN_SHIFTED, it moves a good part of
# the image out of sight, which no shift brings back.
MIN_SHIFTED, MAX_SHIFTED = 16, 63
# In pixels, down and right. Every shift by at most 2 pixels is within 1 of one of these.
SHIFTS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def views(images: np.ndarray) -> list[np.ndarray]:
    """The other views of images: shifted ones, then the mirrored image, then that shifted.

    Borders are repeated where a shift leaves a gap.

    Args:
        images: uint8 [N, H, W, C].

    Returns:
        An odd number of arrays, shaped as `images`.
    """
    side = min(images.shape[1:3])
    shifts = SHIFTS if MIN_SHIFTED <= side <= MAX_SHIFTED else ()
    mirrored = images[:, :, ::-1]
    return [
        *(_shifted(images, *shift) for shift in shifts),
        mirrored,
        *(_shifted(mirrored, *shift) for shift in shifts),
    ]


def is_mirrored(index: int | np.ndarray, count: int) -> bool | np.ndarray:
    """Whether a view is mirrored.

    Args:
        index: of the view: 0 for the image itself, then those of `views` in their order.
        count: of all views, the image itself among them.
    """
    return 2 * index >= count


def _shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    rows = np.arange(images.shape[1]) - down
    columns = np.arange(images.shape[2]) - right
    return images.take(rows, axis=1, mode="clip").take(columns, axis=2, mode="clip")
