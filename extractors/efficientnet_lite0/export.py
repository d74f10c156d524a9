"""Exports EfficientNet-Lite0 as a SavedModel that maps images to feature vectors.

    python extractors/efficientnet_lite0/export.py ARCHIVE.npz FOLDER

dump_weights.py writes ARCHIVE.npz. The SavedModel's `serving_default` takes `images`, uint8
[N, H, W, 3] of any size, resizes them to 224x224 (bicubic, antialiased), scales them, and returns
`features`, float32 [N, 1280]: the last layer, averaged over its pixels. The script compares them
with torch's before it writes the SavedModel, and prints the configuration that uses it.

The network is that of Tan and Le, "EfficientNet" (ICML 2019, arXiv 1905.11946), without squeeze and
excitation and with ReLU6, as TensorFlow published it for mobile devices in 2020.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # a GPU may round its products to TF32

import numpy as np
import tensorflow as tf

from components.features.digest import digest

RESOLUTION = 224  # pixels
DIMENSION = 1280
MEAN, STDDEV = 127.0, 128.0  # normalization of pixel values in its training
BATCH_NORM_EPSILON = 1e-3
# Repeats, first stride and expansion of each stage; the weights determine kernels and widths.
STAGES = ((1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6))
# Of the features: max |ours - torch's| / max |torch's|.
MAX_RELATIVE_ERROR = 1e-4


class EfficientNetLite0(tf.Module):
    """The network, with its normalizations folded into the convolutions before them."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        """Takes the weights by their names in torch's state_dict."""
        super().__init__()
        self._weights = {name: array.astype(np.float64) for name, array in weights.items()}
        self._stem = self._fold("_conv_stem", "_bn0")
        self._blocks = []
        for repeats, first_stride, expansion in STAGES:
            for repeat in range(repeats):
                block = f"_blocks.{len(self._blocks)}"
                expand = None
                if expansion != 1:
                    expand = self._fold(f"{block}._expand_conv", f"{block}._bn0")
                depthwise = self._fold(f"{block}._depthwise_conv", f"{block}._bn1", depthwise=True)
                project = self._fold(f"{block}._project_conv", f"{block}._bn2")
                stride = 1 if repeat else first_stride
                self._blocks.append((expand, depthwise, project, stride, repeat > 0))
        self._head = self._fold("_conv_head", "_bn1")

    def _fold(self, conv: str, norm: str, depthwise: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns kernel [H, W, in, out] or [H, W, in, 1] and bias of a normalized convolution."""
        gamma, beta, mean, variance = (
            self._weights[f"{norm}.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = self._weights[f"{conv}.weight"] * scale[:, None, None, None]
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        return (
            tf.constant(kernel.transpose(axes), tf.float32),
            tf.constant(beta - mean * scale, tf.float32),
        )

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Maps float32 [N, 224, 224, 3] in about [-1, 1] to float32 [N, 1280]."""
        x = tf.nn.relu6(_convolve(x, self._stem, 2))
        for expand, (kernel, bias), project, stride, same_shape in self._blocks:
            y = x if expand is None else tf.nn.relu6(_convolve(x, expand))
            strides = (1, stride, stride, 1)
            y = tf.nn.relu6(tf.nn.depthwise_conv2d(y, kernel, strides, "SAME") + bias)
            y = _convolve(y, project)
            x = x + y if same_shape else y
        return tf.reduce_mean(tf.nn.relu6(_convolve(x, self._head)), axis=(1, 2))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")])
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The signature `serving_default`."""
        resized = tf.image.resize(
            images, (RESOLUTION, RESOLUTION), tf.image.ResizeMethod.BICUBIC, antialias=True
        )
        return {"features": self.features((tf.cast(resized, tf.float32) - MEAN) / STDDEV)}


def _convolve(x: tf.Tensor, layer: tuple[tf.Tensor, tf.Tensor], stride: int = 1) -> tf.Tensor:
    kernel, bias = layer
    return tf.nn.conv2d(x, kernel, stride, "SAME") + bias


def main(archive: str, folder: str) -> None:
    """Exports the network, or exits with an error if it differs from torch's."""
    with np.load(archive, allow_pickle=False) as arrays:
        x, expected = arrays["x"], arrays["features"]
        network = EfficientNetLite0(
            {
                name.removeprefix("weights/"): arrays[name]
                for name in arrays.files
                if name.startswith("weights/")
            }
        )
    error = np.abs(network.features(x).numpy() - expected).max() / np.abs(expected).max()
    print(f"relative error of the features against torch's: {error:.1e}")
    if not error <= MAX_RELATIVE_ERROR:
        sys.exit(f"the error is above {MAX_RELATIVE_ERROR}")
    tf.saved_model.save(network, folder, signatures=network.serve)
    Path(folder, "fingerprint.pb").unlink()  # contains a random number; exports must be equal
    print("evaluate:\n  features:")
    print(f"    name: saved_model:{Path(folder).resolve()}\n    sha256: {digest(folder)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
