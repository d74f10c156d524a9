import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.unet import build_unet
from trainer.networks.within_range import WithinRange, within_range
from trainer.ode import methods, solvers
from trainer.options import ModelOptions
from trainer.serving.exported_network import in_float32
from trainer.step.copies import frozen_copy

SMALL = ModelOptions(channels=(8, 16), attention=(False, False), blocks=1, norm_groups=4)
RANDOM = np.random.default_rng(0)


def states(count=5, channels=3):
    return RANDOM.normal(size=(count, 8, 8, channels)).astype(np.float32)


ALPHA = np.float32([0.0, 0.3, 0.6, 0.9, 1.0])


def points_at(x, alpha, slope):
    return x + (1 - alpha)[:, None, None, None] * slope


def test_slopes_that_point_beyond_the_range_are_bent_to_its_ends_and_no_others():
    x, slope = states(), 3 * states()
    bent = WithinRange()([slope, x, ALPHA]).numpy()
    before, after = points_at(x, ALPHA, slope), points_at(x, ALPHA, bent)
    inside = np.abs(before) <= 1
    assert 0.1 < np.mean(inside[:4]) < 0.9
    np.testing.assert_array_equal(bent[inside], slope[inside])
    np.testing.assert_allclose(after[:4], np.clip(before, -1, 1)[:4], atol=1e-5)
    assert np.isfinite(bent).all()


def test_further_channels_of_the_state_are_not_looked_at():
    x, slope = states(channels=4), states()
    bent = WithinRange()([slope, x, ALPHA])
    np.testing.assert_array_equal(bent, WithinRange()([slope, x[..., :3], ALPHA]))


@pytest.mark.parametrize(
    ("points_at", "image", "gradient"),
    [
        (-1.2, -0.5, -1.0),  # pulled back
        (-1.2, -1.0, 0.0),
        (-1.2, -1.1, 0.2),  # an error of the target to the other side
        (-1.3, -1.1, 0.0),  # but not pushed out for ever
        (-1.3, -0.5, -1.0),
        (1.3, 1.1, 0.0),
        (1.3, 0.5, 1.0),
        (0.3, 0.5, -0.4),
    ],
)
def test_gradients_pass_beyond_the_range_but_do_not_lead_ever_further(points_at, image, gradient):
    x, alpha = tf.zeros([1, 1, 1, 1]), tf.zeros([1])
    slope = tf.Variable(tf.fill([1, 1, 1, 1], points_at))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((WithinRange()([slope, x, alpha], training=True) - image) ** 2)
    np.testing.assert_allclose(tf.reshape(tape.gradient(loss, slope), []), gradient, atol=1e-6)


@pytest.mark.parametrize(("begin", "length"), [(0.9, 0.01), (0.6, 0.3), (0.02, 0.95)])
def test_mean_slopes_of_paths_to_images_point_within_the_range(begin, length):
    def slope(x, alpha):  # of pixels that are 0.2 or -1, with equal chances
        alpha = tf.reshape(alpha, [-1, 1])
        to = tf.constant([0.2, -1.0])
        density = -((x - alpha * to) ** 2) / (2 * (1 - alpha) ** 2)
        return (tf.reduce_sum(tf.nn.softmax(density) * to, 1, keepdims=True) - x) / (1 - alpha)

    def part(x, share):
        return length * slope(x, begin + share * length)

    x = tf.constant(3 * RANDOM.normal(size=(500, 1)), tf.float32)
    mean = (solvers.solve(methods.get("rk4"), part, x, tf.constant(64)) - x) / length
    image = (x + (1 - begin) * mean).numpy()
    assert image.min() > -1.001 and image.max() < 0.201
    assert (image < -0.99).any() and (image > 0.15).any()


def test_a_network_within_range_shares_its_weights_and_can_be_cloned_and_exported_in_float32():
    network = build_unet(SMALL, (8, 8, 3), "bfloat16", source_channels=1)
    network.set_weights([4 * weight for weight in network.get_weights()])
    bent = within_range(network)
    inputs = [states(channels=4), ALPHA]
    expected = WithinRange()([tf.cast(network(inputs), tf.float32), *inputs])
    np.testing.assert_allclose(bent(inputs), expected, atol=1e-5)
    assert [id(w) for w in bent.weights] == [id(w) for w in network.weights]
    copy = frozen_copy(bent, "average")
    np.testing.assert_array_equal(copy(inputs), bent(inputs))
    exported = in_float32(copy)
    assert {layer.dtype_policy.name for layer in exported._flatten_layers()} == {"float32"}
    twin = keras.models.clone_model(exported)
    twin.set_weights(exported.get_weights())
    np.testing.assert_array_equal(twin(inputs), exported(inputs))
