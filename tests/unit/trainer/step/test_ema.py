import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.step.ema import ExponentialMovingAverage


def network(value):
    dense = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    dense.set_weights([np.full((1, 1), value, np.float32)])
    return dense


def value(model):
    return float(model.get_weights()[0][0, 0])


def test_after_one_half_life_the_contribution_of_a_weight_has_halved():
    source = network(1.0)
    ema = ExponentialMovingAverage(source, half_life=1000, warmup=0)
    source.set_weights([np.zeros((1, 1), np.float32)])
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
    source.set_weights([np.full((1, 1), 5.0, np.float32)])
    assert value(ema.network) == 2.0
    assert not ema.network.trainable_variables
