"""Checks what users pass to a model, which TensorFlow would broadcast, truncate or trace."""

import os
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
        ValueError: they are no whole numbers, of another shape, or, where they are known before
            they are computed with, beyond 0 to nb_class.
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
    if tf.executing_eagerly() and len(label):
        low, high = int(tf.reduce_min(label)), int(tf.reduce_max(label))
        if low < 0 or high > nb_class:
            wrong = low if low < 0 else high
            raise ValueError(f"label {wrong} is beyond 0 to {nb_class}, which stands for no label")
    return tf.cast(label, tf.int64)


def check_format(file: str | os.PathLike[str]) -> None:
    """Raises a ValueError if a model would be saved as .h5, whose format has no average."""
    if os.fspath(file).endswith((".h5", ".hdf5")):
        raise ValueError(
            f"{os.fspath(file)}: save the model as .keras, or its weights alone by save_weights as "
            ".weights.h5"
        )


def check_steps(nb_step: Any) -> None:
    """Checks a number of solver steps, unless it is computed in a graph.

    Raises:
        ValueError: it is no whole number above 0.
    """
    if isinstance(nb_step, (tf.Tensor, tf.Variable)) and not tf.executing_eagerly():
        return
    try:
        is_valid = int(nb_step) == nb_step and nb_step >= 1
    except (TypeError, ValueError, OverflowError):  # of what is no number, not a number, infinite
        is_valid = False
    if not is_valid:
        raise ValueError(f"nb_step={nb_step} must be a whole number of at least 1")
