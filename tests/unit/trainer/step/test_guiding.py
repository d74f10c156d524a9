import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.step.guiding import GuidingNetwork


def network(value):
    dense = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    set_value(dense, value)
    return dense


def set_value(model, value):
    model.set_weights([np.full((1, 1), value, np.float32)])


def value(model):
    return float(model.get_weights()[0][0, 0])


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
