import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.attention import DotProductAttention

N, T, HEADS, DEPTH = 3, 5, 2, 4


@pytest.fixture
def inputs():
    """Query, key, value and the gradient from above, [N, T, C]."""
    return [tf.random.stateless_normal([N, T, HEADS * DEPTH], [0, seed]) for seed in range(4)]


def attention_of_keras(query, key, value):
    """Keras's layer with identity projections."""
    layer = keras.layers.MultiHeadAttention(HEADS, DEPTH, use_bias=False)
    layer.build(query.shape, value.shape, key.shape)
    identity = np.eye(HEADS * DEPTH, dtype="float32")
    apart = identity.reshape(HEADS * DEPTH, HEADS, DEPTH)
    layer.set_weights([apart, apart, apart, identity.reshape(HEADS, DEPTH, HEADS * DEPTH)])
    return layer(query, value, key)


def test_values_and_gradients_are_those_of_keras(inputs):
    *given, upstream = inputs
    found = []
    for attend in (lambda *given: DotProductAttention(HEADS)(given), attention_of_keras):
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = attend(*given)
            total = tf.reduce_sum(y * upstream)
        found.append([y, *tape.gradient(total, given)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_query_that_finds_one_key_gets_its_value(inputs):
    *_, value = inputs
    place = 100 * tf.tile(tf.eye(T, DEPTH)[None], [N, 1, HEADS])  # no key matches the last one
    y = DotProductAttention(HEADS)([place, place, value])
    np.testing.assert_allclose(y[:, :-1], value[:, :-1], atol=1e-5)
    np.testing.assert_allclose(y[:, -1], tf.reduce_mean(value, 1), atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_stays_half_precision_and_close(inputs, dtype):
    *given, _ = inputs
    exact = DotProductAttention(HEADS)(given)
    y = DotProductAttention(HEADS, dtype=dtype)(given)
    assert y.dtype == tf.as_dtype(keras.DTypePolicy(dtype).compute_dtype)
    np.testing.assert_allclose(tf.cast(y, tf.float32), exact, atol=0.05)


def test_a_clone_of_the_layer_has_its_heads():
    layer = DotProductAttention(HEADS)
    assert DotProductAttention.from_config(layer.get_config()).heads == HEADS
