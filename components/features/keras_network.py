"""Feature spaces `keras:NETWORK`: the pooled last layer of a network in keras.applications."""

import inspect
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from components.features.digest import pinned
from components.features.errors import FeatureError
from components.features.network import make_extractor, resize
from components.features.options import KERAS_NETWORKS, FeatureOptions
from trainer.common.text import first_line


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Builds a network without its classifier and loads its weights.

    Images are resized to `resolution`, by default that of the network's training, and scaled by the
    `preprocess_input` of its module. Only weights are read from the file, never code.

    Raises:
        FeatureError: the file is missing, has another digest, or contains the weights of another
            network; or the resolution is too small for the network.
    """
    build = getattr(keras.applications, options.argument)
    preprocess = inspect.getmodule(build).preprocess_input
    side = options.resolution or KERAS_NETWORKS[options.argument]
    try:
        network = build(include_top=False, weights=None, input_shape=(side, side, 3), pooling="avg")
    except ValueError as error:
        raise FeatureError(f"{options.name}: {first_line(error)}") from None
    with pinned(options.weights, options.sha256) as path:
        try:
            network.load_weights(path)
        except Exception as error:  # Keras and h5py raise many types
            raise FeatureError(
                f"{options.weights} does not contain the weights of {options.name} without its "
                f"classifier: {first_line(error)}"
            ) from error
    run = tf.function(lambda images: network(preprocess(images), training=False))
    return make_extractor(options.name, lambda images: resize(images, side, side), run)
