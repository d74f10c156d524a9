"""Rows of a batch: converted from what users pass, reshaped, and set beside each other.

TensorFlow would broadcast or truncate what is converted here.
"""

from typing import Any

import tensorflow as tf


def per_row(values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Reshapes values, [N], to broadcast over the rows of x, [N, ...]."""
    return tf.reshape(values, [-1] + [1] * (x.shape.rank - 1))


def beside(x: tf.Tensor, source: tf.Tensor | None) -> tf.Tensor:
    """Returns x, float32 [N, ..., C], with the source as further channels, if there is one."""
    return x if source is None else tf.concat([x, source], -1)


def to_rows(
    x0: Any, label: Any, source: Any, nb_class: int, source_channels: int
) -> list[tf.Tensor]:
    """Returns what samples are drawn from: x0, and the label and the source that a network takes.

    Raises:
        ValueError: the network takes no label or source, or needs a source; or their rows are not
            those of x0; or x0 or source have whole numbers, or labels others.
    """
    if label is not None and not nb_class:
        raise ValueError("got a label, but the network takes none (nb_class=0)")
    if (source is not None) != bool(source_channels):
        given = "none" if source is None else "one"
        raise ValueError(
            f"source_channels={source_channels} decides whether a source is passed; got {given}"
        )
    rows = [to_float("x0", x0)]
    if nb_class:
        rows.append(to_labels(nb_class if label is None else label, rows[0], nb_class))
    if source is not None:
        rows.append(to_float("source", source))
        if not rows[-1].shape[:-1].is_compatible_with(rows[0].shape[:-1]):
            raise ValueError(
                f"source has the shape {rows[-1].shape}, but x0 has {rows[0].shape}: pass one for "
                "each row, of the same sides"
            )
    return rows


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
