"""The feature space `efficientnet-lite0`: an ImageNet network whose weights a package ships.

The network is that of Tan and Le, "EfficientNet" (ICML 2019, arXiv 1905.11946), without squeeze and
excitation and with ReLU6, as TensorFlow published it for mobile devices in 2020.
"""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from components.features.lite0_weights import load_weights
from components.features.network import make_extractor, resize
from components.features.options import FeatureOptions

MEAN, STDDEV = 127.0, 128.0  # normalization of pixel values in its training
BATCH_NORM_EPSILON = 1e-3
# Repeats, first stride and expansion of each stage; the weights determine kernels and widths.
STAGES = ((1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6))

Layer = tuple[np.ndarray, np.ndarray]  # kernel and bias


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Builds the network with its weights.

    Images are resized to `resolution`, and a vector is the last layer, averaged over its pixels.

    Raises:
        FeatureError: the weights are missing or damaged.
    """
    network = EfficientNetLite0(load_weights())
    side = options.settings["resolution"]
    return make_extractor(
        options.name,
        lambda images: (resize(images, side, side) - MEAN) / STDDEV,
        tf.function(network, autograph=False),
    )


class EfficientNetLite0:
    """The network, with its normalizations folded into the convolutions before them."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        """Takes the weights by their names in torch's state_dict."""
        self._weights = weights
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

    def _fold(self, conv: str, norm: str, depthwise: bool = False) -> Layer:
        """Returns kernel [H, W, in, out] or [H, W, in, 1] and bias of a normalized convolution."""
        gamma, beta, mean, variance = (
            self._weights[f"{norm}.{name}"].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = self._weights[f"{conv}.weight"] * scale[:, None, None, None]
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        return kernel.transpose(axes).astype(np.float32), (beta - mean * scale).astype(np.float32)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps float32 [N, H, W, 3] in about [-1, 1], of at least 32 pixels, to float32 [N, 1280].

        In a tf.function, the weights are constants of the graph.
        """
        x = tf.nn.relu6(_convolve(x, self._stem, 2))
        for expand, (kernel, bias), project, stride, same_shape in self._blocks:
            y = x if expand is None else tf.nn.relu6(_convolve(x, expand))
            y = tf.nn.depthwise_conv2d(y, kernel, (1, stride, stride, 1), "SAME")
            y = _convolve(tf.nn.relu6(tf.nn.bias_add(y, bias)), project)
            x = x + y if same_shape else y
        return tf.reduce_mean(tf.nn.relu6(_convolve(x, self._head)), axis=(1, 2))


def _convolve(x: tf.Tensor, layer: Layer, stride: int = 1) -> tf.Tensor:
    kernel, bias = layer
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, "SAME"), bias)
