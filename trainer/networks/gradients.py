"""When a hand-written gradient is used: where something is trained."""

from collections.abc import Callable

import tensorflow as tf


def while_training(
    function: Callable[..., tuple[tf.Tensor, Callable]], training: bool | None
) -> Callable[..., tf.Tensor]:
    """Returns a function without its gradient, which TensorFlow calls where it differentiates.

    Not if `training` is False: a SavedModel would hold the gradient, which takes as long to write
    as all the rest. TensorFlow then differentiates each step of the function.

    Args:
        function: of tensors, to its value and the function that tf.custom_gradient expects.
        training: as Keras passes it to layers; None is taken for True.
    """
    if training is False:
        return lambda *inputs: function(*inputs)[0]
    return tf.custom_gradient(function)
