"""SiLU, without TensorFlow's hand-written gradient where nothing is trained.

Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016), section 2.
"""

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable("iadb")
class Silu(layers.Layer):
    """The activation x sigmoid(x).

    TensorFlow's own has a gradient that keeps x alone; gradients.py says when such a one is used.
    """

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the activations, of the shape and type of x."""
        return x * tf.sigmoid(x) if training is False else tf.nn.silu(x)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of x, for Keras, which would trace `call` for it."""
        return input_shape
