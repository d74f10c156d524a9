"""The average of a network, and its guide."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.step.copies import ExponentialMovingAverage, GuidingNetwork


def network(value):
    dense = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    set_value(dense, value)
    return dense


def set_value(model, value):
    model.set_weights([np.full((1, 1), value, np.float32)])


def value(model):
    return float(model.get_weights()[0][0, 0])


def test_after_one_half_life_the_contribution_of_a_weight_has_halved():
    source = network(1.0)
    ema = ExponentialMovingAverage(source, half_life=1000, warmup=0)
    set_value(source, 0.0)
    for step in range(1, 11):
        ema.update(tf.constant(step * 100.0), tf.constant(100.0))
    assert value(ema.network) == pytest.approx(0.5, rel=1e-5)


def test_the_warm_up_limits_the_half_life_to_a_fraction_of_the_images_seen():
    ema = ExponentialMovingAverage(network(1.0), half_life=1_000_000, warmup=0.05)
    decay = ema.decay(tf.constant(2000.0), tf.constant(100.0))
    assert float(decay) == pytest.approx(0.5)  # a half-life of 100 images
    later = ema.decay(tf.constant(1e9), tf.constant(100.0))
    assert float(later) == pytest.approx(0.5 ** (100 / 1e6), rel=1e-5)


@pytest.mark.parametrize("policy", ["bfloat16", "float16"])
def test_weights_of_low_precision_are_not_averaged(policy):
    layer = keras.layers.Dense(1, dtype=policy)
    low = keras.Sequential([keras.Input((1,)), layer])
    with pytest.raises(ValueError, match=f"^weights of {policy} cannot be averaged: use"):
        ExponentialMovingAverage(low, half_life=10, warmup=0)


def test_the_average_is_a_separate_network():
    source = network(2.0)
    ema = ExponentialMovingAverage(source, half_life=10, warmup=0)
    set_value(source, 5.0)
    assert value(ema.network) == 2.0
    assert not ema.network.trainable_variables


def test_the_guide_is_the_network_after_the_given_step():
    source = network(0.0)
    guide = GuidingNetwork(source, after=3)
    ready = []
    for step in range(1, 6):
        set_value(source, step)
        guide.update(tf.constant(step, tf.int64))
        ready.append(guide.is_ready)
    assert value(guide.network) == 3.0
    assert ready == [False, False, True, True, True]
    assert not guide.network.trainable_variables


def test_a_guide_that_is_ready_is_kept():
    source = network(1.0)
    guide = GuidingNetwork(source, after=3)
    guide.ready.assign(1)
    set_value(source, 5.0)
    guide.update(tf.constant(3, tf.int64))
    assert value(guide.network) == 1.0


@pytest.mark.parametrize(("ready", "weight"), [(0, 1.0), (1, 2.0)])
@pytest.mark.parametrize("autoguidance", [2, 2.0])
def test_only_a_guide_that_is_ready_guides(autoguidance, ready, weight):
    guide = GuidingNetwork(network(1.0), after=3)
    guide.ready.assign(ready)
    assert float(guide.weight(autoguidance)) == weight


def test_a_guide_that_joins_a_training_later_is_taken_at_once():
    source = network(7.0)
    guide = GuidingNetwork(source, after=3)
    guide.update(tf.constant(100, tf.int64))
    assert (value(guide.network), guide.is_ready) == (7.0, True)


def test_a_guide_of_a_network_without_weights_is_rejected():
    with pytest.raises(ValueError, match="the network has no weights yet"):
        GuidingNetwork(keras.Sequential([keras.layers.Dense(1)]), after=1)
