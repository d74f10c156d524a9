"""Attention with a hand-written gradient, for speed.

Vaswani et al., "Attention Is All You Need" (2017). Keras's layer computes projections and products
by einsum, which takes a CPU four times as long as plain matrix products, and the gradient of its
softmax passes four times over the scores, which are far larger than the inputs. Here one product
computes most of that gradient, by an identity of Dao et al., "FlashAttention" (2022), appendix B.2:
the mean of a row of dP under P is the product of the same rows of dO and O.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import layers

from trainer.networks.gradients import while_training


@keras.saving.register_keras_serializable("iadb")
class DotProductAttention(layers.Layer):
    """Multi-head attention from [query, key, value], float [N, T, C] each.

    Args:
        heads: number of heads, which divides C; head i has the i-th part of the channels.
    """

    def __init__(self, heads: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, inputs: list[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Returns [N, T, C]."""
        _, length, channels = inputs[0].shape
        query, key, value = (
            tf.transpose(
                tf.reshape(x, [-1, length, self.heads, channels // self.heads]), [0, 2, 1, 3]
            )
            for x in inputs
        )
        attended = while_training(_attend, training)(query, key, value)
        return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [-1, length, channels])

    def compute_output_shape(self, shapes: list[tuple]) -> tuple:
        """That of the query, for Keras, which would trace `call` for it."""
        return shapes[0]

    def get_config(self) -> dict:
        """Returns what Keras needs to clone the layer."""
        return super().get_config() | {"heads": self.heads}


def _attend(
    q: tf.Tensor, k: tf.Tensor, v: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]]:
    """O = P V with P = softmax(Q K^T / sqrt(D)); q, k, v and O are [N, heads, T, D]."""
    scale = q.shape[-1] ** -0.5
    q = q * scale
    p = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
    o = tf.matmul(p, v)

    def gradient(do: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # dS = P * (dP - mean) with dP = dO V^T; one product subtracts mean = sum(dO * O).
        mean = tf.reduce_sum(do * o, -1, keepdims=True)
        with_mean = tf.concat([do, -mean], -1), tf.concat([v, tf.ones_like(v[..., :1])], -1)
        ds = p * tf.matmul(*with_mean, transpose_b=True)
        return tf.matmul(ds, k) * scale, _transposed_product(ds, q), _transposed_product(p, do)

    return o, gradient


def _transposed_product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Returns a^T b, computed so that the smaller b is transposed instead of a."""
    return tf.linalg.matrix_transpose(tf.matmul(b, a, transpose_a=True))
