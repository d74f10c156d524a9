"""The network of a model as it is exported: in float32, and as one graph.

It computes in float32 in whatever precision it was trained: it draws the same images on all
hardware, and without TensorFlow. Most CPUs would emulate 16 bits.
"""

import hashlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer.ode.field import Network

Graph = tf.types.experimental.ConcreteFunction


def in_float32(network: keras.Model) -> keras.Model:
    """Returns a network with the same weights that computes in float32: itself if it does."""
    if not _is_mixed(network):
        return network
    copy = keras.models.clone_model(network, clone_function=_layer_in_float32)
    copy.set_weights(network.get_weights())
    return copy


def _layer_in_float32(layer: keras.Operation) -> keras.Operation:
    if isinstance(layer, keras.Model):
        return in_float32(layer)
    config = layer.get_config()
    if _is_mixed(layer):
        config["dtype"] = "float32"
    return type(layer).from_config(config)


def _is_mixed(layer: keras.Operation) -> bool:
    if isinstance(layer, keras.Model):
        return any(map(_is_mixed, layer.layers))
    if not isinstance(layer, keras.Layer):  # a slice, for example, which has no policy
        return False
    return layer.dtype_policy.name.startswith("mixed_")


def digest(*networks: keras.Model) -> str:
    """Returns 16 hexadecimal digits that tell the weights of networks from others."""
    weights = hashlib.sha256()
    for network in networks:
        for each in network.get_weights():
            weights.update(np.ascontiguousarray(each))
    return weights.hexdigest()[:16]


def as_graph(network: Network, shape: tuple[int, int, int], *, conditional: bool) -> Graph:
    """The network as one function, which the SavedModel holds once for all signatures."""
    specs = [tf.TensorSpec([None, *shape], tf.float32), tf.TensorSpec([None], tf.float32)]
    if conditional:
        specs.append(tf.TensorSpec([None], tf.int64))

    @tf.function(input_signature=specs, autograph=False)
    def evaluate(*inputs: tf.Tensor) -> tf.Tensor:
        # A convolution of no images gets a wrong shape from oneDNN, so there is always one.
        count = tf.shape(inputs[0])[0]
        missing = tf.cast(count == 0, tf.int32)
        rows = [tf.concat([t, tf.zeros([missing, *t.shape[1:]], t.dtype)], 0) for t in inputs]
        return network(rows, training=False)[:count]

    return evaluate.get_concrete_function()  # which is saved once; a tf.function would be twice


def calling(graph: Graph) -> Network:
    """A graph in place of the Keras model that it is of."""

    def call(inputs: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        return graph(*inputs)

    return call
