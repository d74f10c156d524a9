"""The feature space `random_conv`: a fixed convolutional network with random weights.

Such features also suit images unlike those that networks are trained on: Naeem et al., "Reliable
Fidelity and Diversity Metrics for Generative Models" (ICML 2020, arXiv 2002.09797). Convolutions of
3x3 with ReLU and average pooling produce a map that preserves positions; a random projection, which
preserves relative distances (Johnson and Lindenstrauss, 1984), reduces it to a vector.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.features.network import make_extractor, resize
from components.features.options import FeatureOptions

RESOLUTION = 64  # pixels; images are resized to it
WIDTHS = (16, 32, 64, 128)  # channels of the convolutions; pooling follows all but the last
DIMENSION = 128  # of the vectors
SEED = 0
KERNEL = 3  # pixels
HALF_RANGE = 127.5


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Builds the network, which has no settings and no stored weights."""
    kernels, projection = make_weights()

    @tf.function(autograph=False)
    def network(x: tf.Tensor) -> tf.Tensor:
        """From float32 [N, 64, 64, 3] around [-1, 1] to float32 [N, 128]."""
        for kernel in kernels[:-1]:
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        x = tf.nn.relu(tf.nn.conv2d(x, kernels[-1], 1, "SAME"))
        return tf.reshape(x, [tf.shape(x)[0], -1]) @ projection

    return make_extractor(
        options.name,
        lambda images: resize(images, RESOLUTION, RESOLUTION) / np.float32(HALF_RANGE) - 1,
        network,
    )


def make_weights() -> tuple[list[np.ndarray], np.ndarray]:
    """Draws all weights from a generator with a frozen stream (NEP 19).

    Returns:
        The kernels, float32 [3, 3, in, out], with the variance that preserves that of the signal
        (He et al., 2015), and the projection, float32 [8 * 8 * 128, 128], which preserves the mean
        square.
    """
    generator = np.random.RandomState(SEED)
    kernels = []
    for inputs, outputs in zip((3, *WIDTHS), WIDTHS, strict=False):
        shape = (KERNEL, KERNEL, inputs, outputs)
        stddev = np.sqrt(2 / (KERNEL * KERNEL * inputs))
        kernels.append((stddev * generator.standard_normal(shape)).astype(np.float32))
    side = RESOLUTION // 2 ** (len(WIDTHS) - 1)
    shape = (side * side * WIDTHS[-1], DIMENSION)
    projection = generator.standard_normal(shape) / np.sqrt(shape[0])
    return kernels, projection.astype(np.float32)
