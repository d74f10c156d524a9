"""How a network sees which images of its training are mirrored, so that its samples are not.

If an augmentation is an input of the network, it does not leak into the samples: Karras et al.,
"Training Generative Adversarial Networks with Limited Data" (2020) and "Elucidating the Design
Space of Diffusion-Based Generative Models" (2022, section 5). Here it is encoded in alpha, which is
0 to 1 otherwise: networks keep their inputs and weights, and whoever draws samples passes nothing
more.
"""

import keras
from keras import ops

MIRRORED = -2.0  # is added to alpha: far from what rounding makes of 0


def encode_mirrored(alpha: keras.KerasTensor, mirrored: keras.KerasTensor) -> keras.KerasTensor:
    """Returns alpha, float [N], less 2 where an image is mirrored, bool [N]."""
    return ops.where(mirrored, alpha + MIRRORED, alpha)


def decode_mirrored(alpha: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The inverse of `encode_mirrored`: alpha, float [N], 0 to 1, and mirrored, bool [N]."""
    mirrored = alpha < MIRRORED / 4
    return ops.where(mirrored, alpha - MIRRORED, alpha), mirrored
