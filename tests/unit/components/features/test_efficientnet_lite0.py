"""EfficientNet-Lite0: the network; tests/parity compares its features with torch's."""

import numpy as np
import pytest
import tensorflow as tf

from components.features import load_extractor
from components.features.efficientnet_lite0 import EfficientNetLite0
from components.features.options import FeatureOptions

# Repeats, kernel, stride, expansion and width of each stage (table 1 of the paper).
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


class Reference:
    """The network layer by layer in float64, with weights drawn on the way."""

    def __init__(self):
        self.weights = {}  # as in torch's state_dict
        self._generator = np.random.default_rng(0)

    def layer(self, x, conv, norm, outputs, kernel=1, stride=1, depthwise=False):
        shape = (outputs, 1 if depthwise else x.shape[-1], kernel, kernel)
        values = self._generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        self.weights[f"{conv}.weight"] = values
        if depthwise:
            x = tf.nn.depthwise_conv2d(
                x, values.transpose(2, 3, 0, 1), (1, stride, stride, 1), "SAME"
            )
        else:
            x = tf.nn.conv2d(x, values.transpose(2, 3, 1, 0), stride, "SAME")
        gamma, variance = self._generator.uniform(0.5, 1.5, (2, outputs))
        beta, mean = self._generator.normal(0, 0.1, (2, outputs))
        self.weights |= {f"{norm}.weight": gamma, f"{norm}.running_var": variance}
        self.weights |= {f"{norm}.bias": beta, f"{norm}.running_mean": mean}
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3)

    def features(self, x):
        x = tf.nn.relu6(self.layer(x, "_conv_stem", "_bn0", 32, kernel=3, stride=2))
        index = 0
        for repeats, kernel, first_stride, expansion, width in STAGES:
            for repeat in range(repeats):
                block, y, inner = f"_blocks.{index}.", x, x.shape[-1] * expansion
                if expansion > 1:
                    y = tf.nn.relu6(self.layer(y, f"{block}_expand_conv", f"{block}_bn0", inner))
                stride = first_stride if repeat == 0 else 1
                names = f"{block}_depthwise_conv", f"{block}_bn1"
                y = tf.nn.relu6(self.layer(y, *names, inner, kernel, stride, depthwise=True))
                y = self.layer(y, f"{block}_project_conv", f"{block}_bn2", width)
                x = x + y if x.shape == y.shape else y
                index += 1
        x = tf.nn.relu6(self.layer(x, "_conv_head", "_bn1", 1280))
        return tf.reduce_mean(x, (1, 2)).numpy()


@pytest.mark.parametrize("side", [32, 45, 96, 224])
def test_folding_the_normalizations_keeps_the_outputs(side):
    x = np.random.default_rng(1).uniform(-1, 1, (2, side, side, 3))
    reference = Reference()
    expected = reference.features(x)
    found = EfficientNetLite0(reference.weights)(tf.constant(x, tf.float32)).numpy()
    assert found.shape == (2, 1280)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("side", [None, 32, 64])
def test_images_become_vectors_and_gray_ones_are_repeated(side):
    extract = load_extractor(FeatureOptions(name="efficientnet-lite0", resolution=side))
    gray = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 1)).astype(np.uint8)
    vectors = extract(gray)
    assert vectors.shape == (3, 1280) and vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, extract(gray.repeat(3, -1)))


def test_another_size_is_other_features():
    space = FeatureOptions(name="efficientnet-lite0")
    assert space.identity == FeatureOptions(name=space.name, resolution=224).identity
    assert space.identity != FeatureOptions(name=space.name, resolution=96).identity
