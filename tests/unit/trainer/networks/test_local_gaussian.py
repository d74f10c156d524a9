"""The difference follows from a Gaussian for each pixel."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Sampling
from trainer.networks.local_gaussian import DEVIATION, LOG_DEVIATIONS, LocalGaussian


def parameters(mean, deviation, shape=(1, 1, 1, 1)):
    log_variance = 2.0 * math.log(deviation / DEVIATION)
    return tf.concat([tf.fill(shape, float(mean)), tf.fill(shape, log_variance)], axis=-1)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
def test_it_is_the_expected_difference(alpha):
    mean, deviation, count = 0.7, 0.4, 400_000
    rng = np.random.default_rng(0)
    x0, x1 = rng.normal(size=count), rng.normal(mean, deviation, count)
    x_alpha = (1 - alpha) * x0 + alpha * x1
    slope, offset = np.polyfit(x_alpha, x1 - x0, 1)  # exact, since all are Gaussian
    x = tf.constant([[[[-1.0]]], [[[0.5]]]])
    found = LocalGaussian()(
        [tf.repeat(parameters(mean, deviation), 2, axis=0), x, tf.fill([2], alpha)]
    )
    np.testing.assert_allclose(found, slope * x + offset, atol=0.03)


def test_noise_becomes_pixels_with_the_mean_and_deviation_predicted():
    mean, deviation = 0.7, 0.2
    x = keras.Input((1, 1, 1))
    alpha = keras.Input(())
    constant = parameters(mean, deviation)
    repeated = keras.layers.Lambda(lambda x: constant + tf.zeros_like(x), output_shape=(1, 1, 2))(x)
    network = keras.Model([x, alpha], LocalGaussian()([repeated, x, alpha]))
    model = IADBModel(network, sampling=Sampling("rk4", "late"))
    x0 = tf.reshape(tf.linspace(-2.0, 2.0, 9), (9, 1, 1, 1))
    np.testing.assert_allclose(model.transport(x0, 64), mean + deviation * x0, atol=0.002)


@pytest.mark.parametrize("log_variance", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("alpha", [0.0, 1.0 - 1e-6, 1.0])
def test_extremes_stay_finite_and_have_finite_gradients(alpha, log_variance):
    predicted = tf.Variable([[[[0.5, log_variance]]]])
    with tf.GradientTape() as tape:
        difference = LocalGaussian()([predicted, tf.ones([1, 1, 1, 1]), tf.fill([1], alpha)])
    assert np.isfinite(difference).all()
    assert np.isfinite(tape.gradient(difference, predicted)).all()
    assert np.abs(difference).max() <= 1.0 / math.exp(LOG_DEVIATIONS[0])


def test_it_computes_in_float32_where_the_network_does_not():
    inputs = [
        tf.cast(parameters(0.5, 0.3), tf.bfloat16),
        tf.ones([1, 1, 1, 1]),
        tf.constant([0.99]),
    ]
    assert LocalGaussian()(inputs).dtype == tf.float32
