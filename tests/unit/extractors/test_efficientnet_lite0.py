"""EfficientNet-Lite0: the exported network, and the output of `make efficientnet-lite0`."""

import importlib
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_images

from components.features import load_extractor
from components.features.digest import digest
from components.features.options import FeatureOptions

ROOT = pathlib.Path(__file__).parents[3]
SAVED_MODEL = ROOT / "build" / "efficientnet_lite0"

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


@pytest.fixture
def export(monkeypatch):
    """The script, imported as a module."""
    monkeypatch.syspath_prepend(ROOT / "extractors" / "efficientnet_lite0")
    return importlib.import_module("export")


def test_folding_the_normalizations_keeps_the_outputs(export):
    x = np.random.default_rng(1).uniform(-1, 1, (2, 224, 224, 3))
    reference = Reference()
    expected = reference.features(x)
    found = export.EfficientNetLite0(reference.weights).features(x.astype(np.float32)).numpy()
    assert found.shape == (2, 1280)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def extract():
    if not SAVED_MODEL.is_dir():
        pytest.skip("`make efficientnet-lite0` has not been run")
    options = FeatureOptions(name=f"saved_model:{SAVED_MODEL}", sha256=digest(str(SAVED_MODEL)))
    return load_extractor(options)


def test_the_exported_network_separates_photographs_and_groups_their_crops(extract):
    crops = [
        [image[top : top + 384, left : left + 384] for top, left in ((0, 0), (20, 100), (40, 250))]
        for image in load_sample_images().images
    ]
    vectors = extract(np.stack([crop for crops_of_one in crops for crop in crops_of_one]))
    vectors = vectors.reshape(2, 3, 1280)
    within = max(np.linalg.norm(of_one[0] - other) for of_one in vectors for other in of_one)
    between = min(np.linalg.norm(a - b) for a in vectors[0] for b in vectors[1])
    assert between > 1.5 * within


def test_vectors_of_the_exported_network_do_not_depend_on_the_batch(extract):
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    together = extract(images)
    alone = np.concatenate([extract(image[None]) for image in images])
    assert np.abs(alone - together).max() <= 1e-6 * np.abs(together).max()
