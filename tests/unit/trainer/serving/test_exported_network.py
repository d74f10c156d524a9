import numpy as np
import pytest
import tensorflow as tf

from tests.exported_models import randomize
from trainer.networks.unet import build_unet
from trainer.options import ModelOptions
from trainer.serving.exported_network import in_float32


def build(precision, nb_class=0, source_channels=0, **options):
    small = ModelOptions(
        channels=(8, 16), attention=(False, True), blocks=1, norm_groups=4, **options
    )
    return randomize(build_unet(small, (8, 8, 3), precision, nb_class, source_channels), 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "nb_class", "options"),
    [
        ("float16", 0, {"patch": 2}),
        ("bfloat16", 3, {"patch": 2, "prediction": "gaussian", "time_embedding": "scale_shift"}),
    ],
)
def test_a_network_trained_in_16_bits_computes_as_one_in_float32(precision, nb_class, options):
    network, exact = (build(each, nb_class, **options) for each in (precision, "float32"))
    exact.set_weights(network.get_weights())
    inputs = [tf.random.normal([4, 8, 8, 3]), tf.random.uniform([4]), tf.range(4)]
    inputs = inputs[: 3 if nb_class else 2]
    expected = exact(inputs, training=False).numpy()
    assert np.abs(network(inputs, training=False) - expected).max() > 1e-3
    np.testing.assert_array_equal(in_float32(network)(inputs, training=False), expected)


@pytest.mark.slow
def test_a_network_that_sees_a_source_beside_patches_computes_in_float32_as_well():
    network, exact = (
        build(each, source_channels=1, patch=2, prediction="gaussian")
        for each in ("bfloat16", "float32")
    )
    exact.set_weights(network.get_weights())
    inputs = [tf.random.normal([4, 8, 8, 4]), tf.random.uniform([4])]
    expected = exact(inputs, training=False).numpy()
    np.testing.assert_array_equal(in_float32(network)(inputs, training=False), expected)


def test_a_network_in_float32_is_not_copied():
    network = build("float32")
    assert in_float32(network) is network
