import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.group_norm import GroupNorm, ModulatedGroupNorm

EPSILON = 1e-5


def gradients(layer, x, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        total = tf.reduce_sum(tf.cast(y, tf.float32) * upstream)
    return y, tape.gradient(total, [x, *layer.trainable_variables])


@pytest.fixture(params=[(0.0, 1.0), (30.0, 0.1)], ids=["centered", "far from zero"])
def images(request):
    mean, stddev = request.param
    x = mean + stddev * tf.random.stateless_normal([3, 4, 5, 12], [0, 0])
    return x, tf.random.stateless_normal(x.shape, [0, 1])


@pytest.mark.parametrize("groups", [1, 3, 12])
def test_values_and_gradients_are_those_of_keras(images, groups):
    x, upstream = images
    ours = GroupNorm(groups, EPSILON)
    theirs = keras.layers.GroupNormalization(groups, epsilon=EPSILON)
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights([np.linspace(0.5, 2, 12), np.linspace(-1, 1, 12)])
    y, found = gradients(ours, x, upstream)
    expected_y, expected = gradients(theirs, x, upstream)
    np.testing.assert_allclose(y, expected_y, atol=2e-3 if x[0, 0, 0, 0] > 9 else 1e-5)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3 * np.abs(b).max())


def test_the_gradient_is_that_of_finite_differences():
    x = tf.random.stateless_normal([2, 3, 3, 4], [0, 0])
    layer = GroupNorm(2, EPSILON)
    layer.build(x.shape)
    layer.set_weights(list(np.array([[0.5, 1, 1.5, 2], [-1, 0, 1, 2]])))
    theoretical, numerical = tf.test.compute_gradient(layer, [x], delta=1e-2)
    np.testing.assert_allclose(theoretical[0], numerical[0], atol=2e-3)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_computed_in_float32(dtype):
    layer = GroupNorm(2, EPSILON, dtype=dtype)
    y = layer(300.0 * tf.random.stateless_normal([2, 8, 8, 4], [0, 0]))  # squares overflow float16
    assert y.dtype == tf.as_dtype(layer.compute_dtype)
    assert np.std(tf.cast(y, tf.float32)) == pytest.approx(1.0, abs=0.02)


def test_half_precision_does_not_round_the_scale():
    layer = GroupNorm(1, EPSILON, dtype="mixed_bfloat16")
    layer.build((None, 4, 4, 2))
    layer.set_weights([np.float32([1.003, 1.003]), np.float32([-1.0, -1.0])])  # bfloat16: 1.0
    x = tf.constant([1.0, -1.0] * 16, tf.bfloat16, shape=[1, 4, 4, 2])
    with tf.GradientTape() as tape:
        y = layer(x)
    assert float(y[0, 0, 0, 0]) == pytest.approx(0.003, abs=2e-5)
    assert tape.gradient(y, layer.gamma.value).dtype == tf.float32


def test_an_image_does_not_depend_on_the_others_of_its_batch():
    x = tf.random.stateless_normal([4, 4, 4, 8], [0, 0])
    layer = GroupNorm(2, EPSILON)
    np.testing.assert_allclose(layer(x)[1:2], layer(x[1:2]), atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_each_image_scales_and_shifts_its_channels(images, count):
    x, upstream = (each[:count] for each in images)
    modulation = tf.random.stateless_normal([count, 24], [0, 2])
    ours, plain = ModulatedGroupNorm(3, EPSILON), GroupNorm(3, EPSILON)
    ours.build([x.shape, modulation.shape])
    plain.build(x.shape)
    for layer in (ours, plain):
        layer.set_weights([np.linspace(0.5, 2, 12), np.linspace(-1, 1, 12)])

    def by_layers(x, modulation):
        scale, shift = (m[:, None, None] for m in tf.split(modulation, 2, axis=1))
        return plain(x) * (1 + scale) + shift

    def run(function, variables):
        with tf.GradientTape() as tape:
            tape.watch([x, modulation])
            y = function()
            total = tf.reduce_sum(y * upstream)
        return [y, *tape.gradient(total, [x, modulation, *variables])]

    found = run(lambda: ours([x, modulation]), ours.trainable_variables)
    expected = run(lambda: by_layers(x, modulation), plain.trainable_variables)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())
