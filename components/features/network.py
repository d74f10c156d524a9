"""What networks have in common: RGB images, an antialiased resize, batches of one size."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.features.errors import FeatureError
from trainer.common.text import first_line

BATCH_SIZE = 32  # images


def to_rgb(images: np.ndarray) -> np.ndarray:
    """Repeats the channel of gray images.

    Args:
        images: uint8 [N, H, W, 1 or 3].

    Returns:
        uint8 [N, H, W, 3].

    Raises:
        FeatureError: they are something else.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise FeatureError(
            f"images have shape {images.shape} and type {images.dtype}: "
            "uint8 [N, H, W, 1 or 3] is needed"
        )
    return np.broadcast_to(images, (*images.shape[:-1], 3))


def resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes with Pillow's bicubic kernel, widened where it shrinks: antialiased.

    The values are neither rounded nor clipped, as in Parmar, Zhang and Zhu, "On Aliased Resizing
    and Surprising Subtleties in GAN Evaluation" (CVPR 2022, arXiv 2104.11222).

    Args:
        images: uint8 [N, H, W, C].
        height: in pixels.
        width: in pixels.

    Returns:
        float32 [N, height, width, C], around [0, 255].
    """
    resized = tf.image.resize(
        images, (height, width), tf.image.ResizeMethod.BICUBIC, antialias=True
    )
    return tf.cast(resized, tf.float32).numpy()


def make_extractor(
    name: str,
    prepare: Callable[[np.ndarray], np.ndarray],
    network: Callable[[np.ndarray], np.ndarray],
    batch_size: int = BATCH_SIZE,
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a feature space of a network.

    The network only ever sees batches of one size, the last one filled up with copies: kernels
    round differently for every size.

    Args:
        name: of the feature space, for errors.
        prepare: from uint8 [N, H, W, 3] to what the network takes.
        network: from `batch_size` of these to features [batch_size, d].
        batch_size: images.

    Returns:
        A function from uint8 [N, H, W, 1 or 3] to float32 [N, d], which raises FeatureError where
        the network cannot take the images or gives something else.
    """
    # Or a GPU would round to ten bits, and the features would depend on the worker.
    tf.config.experimental.enable_tensor_float_32_execution(False)

    def extract(images: np.ndarray) -> np.ndarray:
        rgb = to_rgb(images)
        parts = []
        for start in range(0, len(rgb), batch_size):
            part = rgb[start : start + batch_size]
            filled = np.concatenate([part, np.repeat(part[-1:], batch_size - len(part), axis=0)])
            parts.append(_run(name, network, prepare(filled))[: len(part)])
        return np.concatenate(parts)

    return extract


def _run(name: str, network: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    try:
        features = np.asarray(network(inputs), np.float32)
    except Exception as error:  # TensorFlow and onnxruntime raise nearly anything
        raise FeatureError(
            f"{name} does not run on images {inputs.shape[1:]}: {first_line(error)}"
        ) from error
    if features.ndim != 2 or len(features) != len(inputs):
        raise FeatureError(
            f"{name} gives an array of shape {features.shape} for {len(inputs)} images: one vector "
            "an image, [N, d], is needed"
        )
    return features
