"""Slopes that point at images within [-1, 1], as every mean slope of a path does.

Let D(t) be the mean of all images to which a state x(t) may lead, so that the slope of the path is
(D - x) / (1 - t). From x at alpha, the path then reaches at b

    x(b) = (1 - b) / (1 - alpha) x + (b - alpha) / (1 - alpha) D*

with D* a mean of D(t) over alpha to b. For the mean slope u over that length, however long it is,
x + (1 - alpha) u = D*: where a path points is a mean of images, and its pixels are within [-1, 1].

A network that knows this leaves flat black or white areas flat: what it errs beyond the range is
neither drawn nor learned from, where it would otherwise err to both sides.
"""

import keras
from keras import ops

LEAST_LEFT = 1e-3  # of the way to the image; no step begins later


@keras.saving.register_keras_serializable("iadb")
class WithinRange(keras.layers.Layer):
    """Bends slopes, float [N, H, W, C], so that x + (1 - alpha) slope is within [-1, 1].

    Their gradients pass as if it did not, so that what is beyond the range can return into it.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Bends slopes.

        Args:
            inputs: slopes; x, of which the first C channels are the state; alpha, float [N].
        """
        slope, x, alpha = inputs
        left = ops.reshape(1.0 - alpha, [-1] + [1] * (len(x.shape) - 1))
        image = x[..., : slope.shape[-1]] + left * slope
        beyond = ops.stop_gradient(ops.clip(image, -1.0, 1.0) - image)
        return slope + beyond / ops.maximum(left, LEAST_LEFT)

    def compute_output_shape(self, shapes: list[tuple]) -> tuple:
        """That of the slopes."""
        return shapes[0]


def within_range(network: keras.Model) -> keras.Model:
    """Returns a network that points within [-1, 1], with the weights of `network` themselves.

    Args:
        network: takes [x, alpha], or [x, alpha, label]; of x the first channels are the state.
    """
    x, alpha, *_ = network.inputs
    slope = WithinRange(name="within_range")([*network.outputs, x, alpha])
    return keras.Model(network.inputs, slope, name=network.name)
