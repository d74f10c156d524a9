"""Common parts of feature networks: RGB images, antialiased resizing, batches of one size."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from components.features.digest import FeatureError
from trainer.common.text import first_line

BATCH_SIZE = 32  # images
MAX_THREADS = 4  # each has the activations of a batch in memory, which may be that of a GPU
MAX_DENSE = 64  # pixels; smaller images are resized faster by products with whole matrices
_SWITCHING = threading.Lock()


def to_rgb(images: np.ndarray) -> np.ndarray:
    """Converts gray images to RGB.

    Args:
        images: uint8 [N, H, W, 1 or 3].

    Returns:
        uint8 [N, H, W, 3].

    Raises:
        FeatureError: the type or shape is another one.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise FeatureError(
            f"images have shape {images.shape} and type {images.dtype}: "
            "must be uint8 [N, H, W, 1 or 3]"
        )
    return np.broadcast_to(images, (*images.shape[:-1], 3))


def resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes with Pillow's bicubic kernel, which antialiases where it shrinks.

    The values are neither rounded nor clipped, as in Parmar, Zhang and Zhu, "On Aliased Resizing
    and Surprising Subtleties in GAN Evaluation" (CVPR 2022, arXiv 2104.11222).

    Args:
        images: uint8 [N, H, W, C].
        height: in pixels.
        width: in pixels.

    Returns:
        float32 [N, height, width, C], around [0, 255].
    """
    count, rows, columns, channels = images.shape
    if max(rows, columns) > MAX_DENSE:
        return _bicubic(images, height, width).numpy()
    values = tf.cast(images, tf.float32)
    values = tf.reshape(values, (-1, columns * channels)) @ _across(columns, width, channels)
    values = _weights(rows, height) @ tf.reshape(values, (count, rows, width * channels))
    return tf.reshape(values, (count, height, width, channels)).numpy()


def _bicubic(images: np.ndarray, height: int, width: int) -> tf.Tensor:
    method = tf.image.ResizeMethod.BICUBIC
    return tf.cast(tf.image.resize(images, (height, width), method, antialias=True), tf.float32)


@functools.cache
def _weights(size: int, resized: int) -> np.ndarray:
    """The weight of each pixel of a column in each pixel of the resized one, [resized, size]."""
    columns = np.eye(size, dtype=np.float32)[None, ..., None]
    return _bicubic(columns, resized, size).numpy()[0, ..., 0]


@functools.cache
def _across(size: int, resized: int, channels: int) -> np.ndarray:
    """The same for rows of interleaved channels, [size * channels, resized * channels]."""
    return np.kron(_weights(size, resized).T, np.eye(channels, dtype=np.float32))


def make_extractor(
    name: str,
    prepare: Callable[[np.ndarray], np.ndarray],
    network: Callable[[np.ndarray], np.ndarray],
    batch_size: int = BATCH_SIZE,
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a feature space from a network.

    The network receives batches of one size only, the last one padded with copies, because rounding
    depends on the size of a batch.

    Args:
        name: of the feature space, for errors.
        prepare: from uint8 [N, H, W, 3] to inputs of the network.
        network: from `batch_size` inputs to features [batch_size, d].
        batch_size: images.

    Returns:
        A function from uint8 [N, H, W, 1 or 3] to float32 [N, d]. It raises FeatureError if the
        network rejects the images or returns something else.
    """

    def extract(images: np.ndarray) -> np.ndarray:
        rgb = to_rgb(images)

        def describe(start: int) -> np.ndarray:
            part = rgb[start : start + batch_size]
            filled = np.concatenate([part, np.repeat(part[-1:], batch_size - len(part), axis=0)])
            return _run(name, network, prepare(filled))[: len(part)]

        # What surrounds the products of a network runs on one core.
        with (
            _without_tf32(),
            ThreadPoolExecutor(min(MAX_THREADS, len(os.sched_getaffinity(0)))) as pool,
        ):
            return np.concatenate(list(pool.map(describe, range(0, len(rgb), batch_size))))

    return extract


@contextlib.contextmanager
def _without_tf32() -> Iterator[None]:
    """Switches TF32 off: GPUs would round to ten bits, and features would depend on the worker.

    The switch is that of the process, so one thread at a time has it.
    """
    switches = tf.config.experimental
    with _SWITCHING:
        allowed = switches.tensor_float_32_execution_enabled()
        switches.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            switches.enable_tensor_float_32_execution(allowed)


def _run(name: str, network: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    try:
        features = np.asarray(network(inputs), np.float32)
    except Exception as error:  # TensorFlow and onnxruntime raise many types
        raise FeatureError(
            f"{name} does not run on images {inputs.shape[1:]}: {first_line(error)}"
        ) from error
    if features.ndim != 2 or len(features) != len(inputs):
        raise FeatureError(
            f"{name} returns an array of shape {features.shape} for {len(inputs)} images: must be "
            "one vector per image, [N, d]"
        )
    return features
