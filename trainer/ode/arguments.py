"""Converts what users pass to a model, which TensorFlow would broadcast or truncate."""

from typing import Any

import tensorflow as tf


def to_float(name: str, values: Any) -> tf.Tensor:
    """Returns values as a float32 tensor.

    Args:
        name: of the argument, for the error.
        values: a tensor, or what tf.convert_to_tensor takes.

    Raises:
        ValueError: they are whole numbers or no numbers; images of bytes are probably not scaled.
    """
    # Whole numbers that someone has written are no bytes of images.
    written = isinstance(values, (int, list, tuple))
    tensor = tf.convert_to_tensor(values, tf.float32 if written else None)
    if not tensor.dtype.is_floating:
        need = "pass it" if name == "alpha" else "scale images to [-1, 1]"
        raise ValueError(f"{name} has values of {tensor.dtype.name}; {need} as float32")
    return tf.cast(tensor, tf.float32)


def to_labels(values: Any, x: tf.Tensor, nb_class: int) -> tf.Tensor:
    """Returns the labels of the rows of x, int64 [N].

    Args:
        values: whole numbers [N], also bool; or one for all.
        x: [N, ...].
        nb_class: which stands for no label, and is the largest.

    Raises:
        ValueError: they are no whole numbers, or of another shape.
    """
    label = tf.convert_to_tensor(values)
    label = tf.cast(label, tf.int64) if label.dtype.is_bool else label
    if not label.dtype.is_integer:
        raise ValueError(
            f"labels are whole numbers from 0 to {nb_class}, got {label.dtype.name}: cast them"
        )
    if label.shape.rank == 0:
        label = tf.fill(tf.shape(x)[:1], label)
    if not label.shape.is_compatible_with(x.shape[:1]):
        raise ValueError(
            f"labels have shape {label.shape} for {x.shape[0]} rows: pass one for each"
        )
    return tf.cast(label, tf.int64)
