"""A network of few weights in place of the U-Net, where what surrounds the network is tested."""

import keras
from keras import layers


def build_unet(options, shape, precision="float32", nb_class=0, source_channels=0):
    """Builds a network with the U-Net's inputs and output, which TensorFlow traces quickly.

    Of the options it takes the first width, the number of blocks and the dropout.
    """
    dtype = precision if precision == "float32" else f"mixed_{precision}"
    width = options.channels[0]
    inputs = [keras.Input((*shape[:2], shape[2] + source_channels)), keras.Input(())]
    x = layers.Conv2D(width, 3, padding="same", dtype=dtype)(inputs[0])
    time = layers.Reshape([1, 1, 1])(inputs[1])
    x = layers.Add(dtype=dtype)([x, layers.Dense(width, dtype=dtype)(time)])
    if nb_class:
        inputs.append(keras.Input((), dtype="int64"))
        label = layers.Embedding(nb_class + 1, width, dtype=dtype)(inputs[-1])
        x = layers.Add(dtype=dtype)([x, layers.Reshape([1, 1, width])(label)])
    for _ in range(options.blocks):
        x = layers.Activation("silu", dtype=dtype)(x)
        x = layers.Dropout(options.dropout, dtype=dtype)(x)
        x = layers.Conv2D(width, 3, padding="same", dtype=dtype)(x)
    x = layers.Activation("tanh", dtype=dtype)(x)
    x = layers.Conv2D(shape[-1], 3, padding="same", dtype=dtype)(x)
    return keras.Model(inputs, layers.Activation("linear", dtype="float32")(x))
