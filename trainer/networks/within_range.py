"""Slopes that point at images within [-1, 1], as the mean slopes of a path do.

Let D(t) be the mean of all images to which a state x(t) may lead, so that the slope of the path is
(D - x) / (1 - t). From x at alpha, the path then reaches at b

    x(b) = (1 - b) / (1 - alpha) x + (b - alpha) / (1 - alpha) D*

with D* a mean of D(t) over alpha to b. For the mean slope u over that length, however long it is,
x + (1 - alpha) u = D*: where a path points is a mean of images, and its pixels are within [-1, 1].
Guidance leads beyond that: students of guided teachers do without (trainer/student/build.py).

A network that knows this leaves flat black or white areas flat. Otherwise it errs to both sides of
them, and only what is beyond the range is invisible.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.networks.gradients import while_training

LEAST_LEFT = 1e-3  # of the way to the image; closer to it, slopes are bent less, and stay finite
FARTHEST = 1.25  # how far out a slope may be pushed that is bent anyway


@keras.saving.register_keras_serializable("iadb")
class WithinRange(keras.layers.Layer):
    """Bends slopes, float [N, H, W, C], so that x + (1 - alpha) slope is within [-1, 1].

    Gradients pass as if slopes were not bent: those beyond the range by mistake can return, and the
    errors of a teacher, which are to both sides, cancel out. Beyond FARTHEST, no gradient leads
    further out: a target beyond the range would be pursued for ever.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Bends slopes.

        Args:
            inputs: slopes; x, of which the first C channels are the state; alpha, float [N].
            training: whether gradients are needed (trainer/networks/gradients.py).
        """
        slope, x, alpha = inputs
        state = x[..., : slope.shape[-1]]
        left = tf.reshape(1.0 - alpha, [-1] + [1] * (len(x.shape) - 1))

        def bend(slope: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            image = state + left * slope
            beyond = tf.clip_by_value(image, -1.0, 1.0) - image

            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                outward = tf.logical_and(tf.abs(image) > FARTHEST, upstream * image < 0.0)
                return tf.where(outward, 0.0, upstream)

            return slope + beyond / tf.maximum(left, LEAST_LEFT), gradient

        return while_training(bend, training)(slope)

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
