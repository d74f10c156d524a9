"""Tells a network which images of its training are mirrored, so that its samples are not.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020) and "Elucidating
the Design Space of Diffusion-Based Generative Models" (2022, section 5): what a network is told of
an augmentation does not leak into its samples. Here it is told by alpha, which is 0 to 1 otherwise:
a network keeps its inputs and its weights, and who draws samples need not know.
"""

import keras
from keras import ops

MIRRORED = -2.0  # is added to alpha: far from what rounding makes of 0


def tell(alpha: keras.KerasTensor, mirrored: keras.KerasTensor) -> keras.KerasTensor:
    """Returns alpha, float [N], with what `told` reads of it: whether an image is mirrored."""
    return ops.where(mirrored, alpha + MIRRORED, alpha)


def told(alpha: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns alpha, float [N], 0 to 1, and whether an image is mirrored, bool [N]."""
    mirrored = alpha < MIRRORED / 4
    return ops.where(mirrored, alpha - MIRRORED, alpha), mirrored
