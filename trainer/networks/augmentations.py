"""How a network sees the augmentation of each image of its training, so that its samples have none.

If an augmentation is an input of the network, it does not leak into the samples: Karras et al.,
"Training Generative Adversarial Networks with Limited Data" (2020) and "Elucidating the Design
Space of Diffusion-Based Generative Models" (2022, section 5). Here it is encoded in alpha, which is
0 to 1 otherwise: networks keep their inputs and weights, and whoever draws samples passes nothing
more. trainer/step/augmenting.py applies it to images.
"""

import math

import keras
import numpy as np
from keras import ops

# Levels of each transform, of which the first leaves the image as it is: whether it is mirrored,
# and how far it is shifted to the right and down, zoomed and rotated.
LEVELS = {"mirrored": 2, "right": 5, "down": 5, "zoom": 3, "rotation": 3}
COUNT = math.prod(LEVELS.values())  # of codes: so few that alpha beside one is right to 1e-4


def _degrees() -> np.ndarray:
    """The degrees of each code, float32 [COUNT, 5], looked up: a network does so at every step."""
    level = np.stack(np.unravel_index(np.arange(COUNT), tuple(LEVELS.values()), order="F"), axis=-1)
    return (np.ceil(level / 2) * np.where(level % 2, 1, -1)).astype(np.float32)


DEGREES = _degrees()


def encode(alpha: keras.KerasTensor, code: keras.KerasTensor) -> keras.KerasTensor:
    """Returns alpha, float [N], less twice the code of an augmentation, int [N], 0 for none."""
    return alpha - 2.0 * ops.cast(code, alpha.dtype)


def decode(alpha: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The inverse of `encode`: alpha, float [N], 0 to 1, and codes, of the same type [N]."""
    # Alphas of 0 to 1 move this by at most a quarter from the code, which rounding then finds.
    code = ops.maximum(ops.round(0.25 - 0.5 * alpha), 0.0)
    return alpha + 2.0 * code, code


def describe(code: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the degrees of all transforms in the order of LEVELS, float32 [N, 5].

    Args:
        code: whole numbers [N] of any type, 0 to COUNT - 1.

    Returns:
        0 for a transform that leaves the image as it is; levels 1, 2, 3, 4 stand for 1, -1, 2, -2.
    """
    # Of an alpha that is none, as clients may send it, the code is any.
    return ops.take(DEGREES, ops.clip(ops.cast(code, "int32"), 0, COUNT - 1), axis=0)
