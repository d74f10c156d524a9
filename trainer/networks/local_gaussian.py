"""The last layer of a network that predicts a Gaussian for each pixel of the image.

With x0 ~ N(0, 1) and a pixel x1 ~ N(m, v), where m and v are what the rest of the image tells, the
difference that a deblending network has to give follows in closed form:

    E[x1 - x0 | x_alpha] = m + k (x_alpha - alpha m)
    k = (alpha v - (1 - alpha)) / (alpha^2 v + (1 - alpha)^2)

Where v = 0, x_alpha differs from alpha m by noise alone; where v is large, by the image alone. With
one v for all pixels, this is the preconditioning of Karras et al., "Elucidating the Design Space of
Diffusion-Based Generative Models" (NeurIPS 2022, section 5), on the paths of IADB. The network need
not carry the noise of each pixel from its input to its output. Others do so badly in flat areas
near alpha = 1, and leave noise in their samples.
"""

import math

import keras
from keras import ops

from trainer.networks.augmentations import decode

DEVIATION = 0.5  # of a pixel around its mean at the start of a training; sigma_data of the paper
# 0.01 is about one level of 255. Below, k would grow without bound towards alpha = 1.
LOG_DEVIATIONS = (math.log(0.01), math.log(10.0))


@keras.saving.register_keras_serializable("iadb")
class LocalGaussian(keras.layers.Layer):
    """Computes the difference from [parameters, x_alpha, alpha].

    Parameters are float [N, H, W, 2 C]: C means and C log variances relative to DEVIATION; x_alpha
    is float32 [N, H, W, C], alpha float32 [N]. The result is float32 [N, H, W, C].
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Computes the difference of a batch."""
        parameters, x_alpha, alpha = inputs
        mean, log_variance = ops.split(parameters, 2, axis=-1)
        log_deviation = ops.clip(0.5 * log_variance + math.log(DEVIATION), *LOG_DEVIATIONS)
        variance = ops.exp(2.0 * log_deviation)
        a = decode(alpha)[0][:, None, None, None]
        k = (a * variance - (1.0 - a)) / (a * a * variance + (1.0 - a) ** 2)
        return mean + k * (x_alpha - a * mean)

    def compute_output_shape(self, shapes: list[tuple]) -> tuple:
        """That of x_alpha."""
        return shapes[1]
