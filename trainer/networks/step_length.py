"""The length of a step as a network sees it: a further channel of the image, everywhere equal."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops


def beside_length(x: keras.KerasTensor, length: keras.KerasTensor) -> keras.KerasTensor:
    """Returns images, [N, H, W, C], with lengths, [N], as a further channel."""
    plane = ops.reshape(ops.cast(length, x.dtype), [-1] + [1] * (len(x.shape) - 1))
    return ops.concatenate([x, ops.broadcast_to(plane, [*ops.shape(x)[:-1], 1])], axis=-1)


def widened(weights: Sequence[np.ndarray], network: keras.Model) -> list[np.ndarray]:
    """The weights of a network for one that sees a further channel, to which they are blind.

    Args:
        weights: of a network that sees C channels.
        network: the same, but for the channel that follows these.

    Returns:
        Weights for `network`. Where pixels are taken together (`patch`), each has the channel.
    """
    found = []
    for old, new in zip(weights, network.get_weights(), strict=True):
        if old.shape != new.shape:
            *sides, seen, width = new.shape
            pixels = seen - old.shape[-2]
            by_pixel = old.reshape(*sides, pixels, -1, width)
            old = np.pad(by_pixel, [(0, 0)] * (len(sides) + 1) + [(0, 1), (0, 0)])
        found.append(old.reshape(new.shape))
    return found


@keras.saving.register_keras_serializable("iadb")
class StepLength(layers.Layer):
    """Shows a network how long the step is that begins at alpha.

    Args:
        alphas: of a grid, from 0 to 1. An alpha between those where steps begin has the length of
            the nearest step.
    """

    def __init__(self, alphas: Sequence[float], **kwargs: object) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.alphas = tuple(alphas)
        begin, lengths = np.asarray(alphas[:-1], np.float32), np.diff(np.float32(alphas))
        self._first = float(lengths[0])
        self._nearer = (begin[1:] + begin[:-1]) / 2  # from where on the next step is the nearest
        self._longer = np.diff(lengths)

    def call(self, x: keras.KerasTensor, alpha: keras.KerasTensor) -> keras.KerasTensor:
        """Returns images, float32 [N, H, W, C], with the lengths at alpha, [N], as a channel."""
        passed = ops.cast(alpha[:, None] >= self._nearer, "float32")
        return beside_length(x, self._first + ops.sum(passed * self._longer, axis=1))

    def get_config(self) -> dict:
        """Returns what Keras needs to clone the layer."""
        config = super().get_config()
        config.pop("dtype")
        return config | {"alphas": self.alphas}


def take_steps(network: keras.Model, alphas: Sequence[float]) -> keras.Model:
    """Returns a network that sees no lengths, since it takes the steps of a grid and no others.

    Args:
        network: takes [x, alpha], or [x, alpha, label], with the length in the last channel of x.
        alphas: of the grid, from 0 to 1.

    Returns:
        A model with the weights of `network` themselves.
    """
    x, *others = network.inputs
    shapes = [(*x.shape[1:-1], x.shape[-1] - 1), *(each.shape[1:] for each in others)]
    inputs = [
        keras.Input(shape, dtype=each.dtype, name=each.name)
        for shape, each in zip(shapes, network.inputs, strict=True)
    ]
    seen = StepLength(alphas, name="step_length")(*inputs[:2])
    return keras.Model(inputs, network([seen, *inputs[1:]]), name=f"{network.name}_steps")
