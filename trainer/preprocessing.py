"""The only definition of the value range: uint8 pixels in [0, 255], float32 values in [-1, 1].

TFX Transform traces `preprocessing_fn` into the graph that training and evaluation apply at read
time; the exported sampler inverts the same scale with `to_uint8`.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer import examples
from trainer.common.resolution import to_sides
from trainer.source.degrade import degrade
from trainer.source.options import parse

HALF_RANGE = 127.5
VOCABULARY = "labels"  # name of the vocabulary of labels in Transform's graph


def to_float(pixels: tf.Tensor) -> tf.Tensor:
    """Scales uint8 pixels (any shape, 0 to 255) to float32 in [-1, 1]."""
    return tf.cast(pixels, tf.float32) / HALF_RANGE - 1.0


def to_uint8(x: tf.Tensor) -> tf.Tensor:
    """Scales floats (any shape) from [-1, 1] to uint8 pixels; clips values outside."""
    x = tf.clip_by_value(tf.cast(x, tf.float32), -1.0, 1.0)
    return tf.cast(tf.round((x + 1.0) * HALF_RANGE), tf.uint8)


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Decodes and scales the PNGs of each example; returns the label unchanged.

    Args:
        inputs: `image`, string [N] or [N, 1] (PNG bytes), and `label`, string [N] or [N, 1]; with
            `paired` also `source`, string [N] or [N, 1] (PNG bytes).
        custom_config: `resolution` in pixels (a side, or height and width) and `channels` (1 or 3)
            of every image; `conditional` adds the labels of the train split to the graph, as
            VOCABULARY; `degrade` derives a source from every image (trainer/source/options.py), and
            `paired` reads the one that is stored beside it.

    Returns:
        `image`, float32 [N, height, width, channels] in [-1, 1], and `label`, string [N]; with
        sources also `source`, float32 [N, height, width, S] in [-1, 1].
    """
    shape = [*to_sides(custom_config["resolution"]), custom_config["channels"]]
    pixels = _decode(inputs[examples.IMAGE], shape)
    label = tf.reshape(inputs[examples.LABEL], [-1])
    if custom_config.get("conditional"):
        # The text format breaks names that contain a line break.
        tft.vocabulary(label, vocab_filename=VOCABULARY, file_format="tfrecord_gzip")
    outputs = {examples.IMAGE: to_float(pixels), examples.LABEL: label}
    if custom_config.get("degrade"):
        source = degrade(pixels, parse(custom_config["degrade"]))
        outputs[examples.SOURCE] = to_float(source)
    if custom_config.get("paired"):
        outputs[examples.SOURCE] = to_float(_decode(inputs[examples.SOURCE], shape))
    return outputs


def _decode(pngs: tf.Tensor, shape: list[int]) -> tf.Tensor:
    """Decodes PNGs of one shape, string [N] or [N, 1], to uint8 [N, *shape]."""
    pixels = tf.map_fn(
        lambda png: tf.io.decode_png(png, channels=shape[-1]),
        tf.reshape(pngs, [-1]),
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )
    return tf.ensure_shape(pixels, [None, *shape])
