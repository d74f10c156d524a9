import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.step.replicas import share_gradients

GRADIENTS = [np.float32([3.0, -4.0]), np.float32([[0.5]])]
LIMITS = [{}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}]


def update(gradients, scaled, **limits):
    """What an optimizer on one replica subtracts from weights of zeros, and the optimizer."""
    weights = [keras.Variable(np.zeros_like(g)) for g in GRADIENTS]
    optimizer = keras.optimizers.SGD(1.0, **limits)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    optimizer.build(weights)
    scale = float(optimizer.scale_loss(1.0))
    scaled_gradients = [tf.constant(g * scale) for g in gradients]
    optimizer.apply(scaled_gradients, weights)
    return [-w.numpy() for w in weights], optimizer, scaled_gradients


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("limits", LIMITS)
def test_the_optimizer_keeps_shares_that_sum_to_the_update_of_one_replica(limits, scaled):
    whole, optimizer, gradients = update(GRADIENTS, scaled, **limits)
    shares = share_gradients(gradients, optimizer, 4)
    unscaled = [share.numpy() / float(optimizer.scale_loss(1.0)) for share in shares]
    kept, *_ = update(unscaled, scaled, **limits)
    for share, own, expected in zip(unscaled, kept, whole, strict=True):
        np.testing.assert_allclose(own, share, rtol=1e-6)
        np.testing.assert_allclose(4 * share, expected, rtol=1e-6)


def test_a_single_replica_passes_its_gradients_unclipped():
    gradients = [tf.constant(g) for g in GRADIENTS]
    assert share_gradients(gradients, keras.optimizers.SGD(clipnorm=1.0), 1) is gradients
