"""How an image looks: its perceptual hash.

It is ImageHash's `phash`: which of the lowest 12 x 12 frequencies of the gray image are above their
median. So colors count little, and brightness and contrast do not.
"""

import imagehash
import numpy as np
from PIL import Image

from components.image_example_gen.shuffle.rows import LOOK_BYTES, NO_LOOK

FREQUENCIES = 12  # a side
BITS = FREQUENCIES**2
MIN_SIDE = 16  # pixels; smaller images have too few frequencies to tell them apart
MIN_STDDEV = 2  # of 255 levels; flatter images differ by nothing but noise


def look_of(pixels: np.ndarray) -> bytes:
    """Returns the perceptual hash of an image.

    Args:
        pixels: uint8 [height, width, 1 or 3].

    Returns:
        LOOK_BYTES bytes; NO_LOOK of an image that is too small or too flat to be compared.
    """
    channels = pixels.shape[2]
    gray = Image.fromarray(pixels.squeeze(axis=2) if channels == 1 else pixels).convert("L")
    if min(gray.size) < MIN_SIDE or np.std(gray) < MIN_STDDEV:
        return NO_LOOK
    look = np.packbits(imagehash.phash(gray, FREQUENCIES).hash).tobytes()
    assert len(look) == LOOK_BYTES
    return look
