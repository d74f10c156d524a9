"""A copy of a network that is not trained itself: its average, or its guide."""

import keras


def frozen_copy(network: keras.Model, use: str) -> keras.Model:
    """Returns a copy with the weights of now.

    Args:
        network: built; Keras must be able to clone it.
        use: what the copy is for, in errors.

    Raises:
        ValueError: the network is not built.
    """
    if not network.built:
        raise ValueError(f"the network has no weights yet: call it once before its {use} is made")
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # computes with the weights that it was given
    copy.trainable = False
    return copy
