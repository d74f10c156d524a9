"""A multilayer perceptron that deblends points: IADB between densities in a few dimensions."""

import keras
from keras import layers

from trainer.networks.unet import SinusoidalEmbedding

ALPHA_SCALE = 1000.0  # the default of ModelOptions.alpha_scale


def build_mlp(dim: int, width: int = 128, depth: int = 3) -> keras.Model:
    """Builds the network.

        model = IADBModel(build_mlp(dim=2), rank=2)

    Args:
        dim: number of coordinates of a point.
        width: units of each hidden layer, and length of the embedding of alpha.
        depth: number of hidden layers.

    Returns:
        A model from [x float32 [N, dim], alpha float32 [N]] to the deblended difference x1 - x0,
        float32 [N, dim].
    """
    x = keras.Input((dim,), name="x_alpha")
    alpha = keras.Input((), name="alpha")
    time = SinusoidalEmbedding(width, ALPHA_SCALE, name="time_sinusoids")(alpha)
    h = layers.Concatenate()([x, time])
    for layer in range(depth):
        h = layers.Dense(width, activation="silu", name=f"hidden{layer}")(h)
    return keras.Model([x, alpha], layers.Dense(dim, name="difference")(h), name="mlp")
