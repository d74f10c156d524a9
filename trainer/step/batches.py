"""What Keras passes to a step: x1, pairs (x0, x1), or dictionaries with labels or sources."""

from typing import NamedTuple

import keras
import tensorflow as tf

from trainer.rows import to_float, to_labels

# x1, (x0, x1), or {"x1"} with any of "x0", "alpha", "label" (for a conditional network), "source"
# and "augmentation" (for a network that sees them).
Batch = tf.Tensor | tuple[tf.Tensor, ...] | dict[str, tf.Tensor]


class Unpacked(NamedTuple):
    """The parts of a batch; None for what it does not hold."""

    x0: tf.Tensor | None
    x1: tf.Tensor
    alpha: tf.Tensor | None
    label: tf.Tensor | None
    source: tf.Tensor | None
    augmentation: tf.Tensor | None


class Lesson(NamedTuple):
    """What a network learns from a batch.

    Attributes:
        inputs: what it is asked: x_alpha with the source beside it, alpha, and the label.
        slope: what it should return, float32 [N, ...].
        alpha: float32 [N], 0 to 1.
    """

    inputs: list[tf.Tensor]
    slope: tf.Tensor
    alpha: tf.Tensor


def unpack(data: Batch, rank: int, nb_class: int, source_channels: int = 0) -> Unpacked:
    """Takes a batch apart.

    Args:
        data: the batch, also as `train_on_batch` passes it, with None for what it lacks.
        rank: of x1.
        nb_class: number of classes of the network; 0 if it takes no label.
        source_channels: last axis of the source that the network sees; 0 if it sees none.

    Returns:
        x0 and x1, float32 [N, ...], alpha, float32 [N], label, int64 [N], source,
        float32 [N, ..., source_channels], and augmentation, an integer tensor [N].

    Raises:
        ValueError: the batch has no label for a conditional network, or has one for another; the
            same for the source of a network that sees one; or it has sample weights, no x1, a list
            in place of a tensor, or an unknown key; or x1 has another rank, x0 another shape than
            x1; or x0, x1 or source have whole numbers, which are probably not scaled; or labels
            have others; or labels or alphas are not one for each image.
    """
    first, second, weight = keras.utils.unpack_x_y_sample_weight(data)
    if weight is not None:
        raise ValueError("IADB weighs all images alike: leave out sample_weight")
    if isinstance(first, dict) and second is None:
        parts = first
    else:
        parts = {"x1": first} if second is None else {"x0": first, "x1": second}
    nested = any(isinstance(part, (dict, list, tuple)) for part in parts.values())
    if nested or parts.get("x1") is None:
        raise ValueError(
            "a batch is x1, a pair (x0, x1) or a dictionary with x1; pass pairs as fit(x0, x1)"
        )
    if unknown := sorted(parts.keys() - set(Unpacked._fields)):
        raise ValueError(
            f"a batch has {', '.join(unknown)}; its keys are {', '.join(Unpacked._fields)}"
        )
    x0, x1, alpha, label, source, augmentation = (parts.get(key) for key in Unpacked._fields)
    if (label is not None) != bool(nb_class):
        expected = "dictionaries of x1 and label" if nb_class else "x1 or (x0, x1)"
        raise ValueError(f"nb_class={nb_class} needs batches of {expected}")
    if (source is not None) != bool(source_channels):
        expected = "dictionaries of x1 and source" if source_channels else "no source"
        raise ValueError(f"source_channels={source_channels} needs batches of {expected}")
    x0, x1, alpha, source = (
        None if part is None else to_float(name, part)
        for name, part in {"x0": x0, "x1": x1, "alpha": alpha, "source": source}.items()
    )
    if x1.shape.rank not in (None, rank):
        raise ValueError(f"rank={rank} needs batches with {rank} axes, but x1 has {x1.shape}")
    x1 = tf.ensure_shape(x1, [None] * rank)
    if x0 is not None and not x0.shape.is_compatible_with(x1.shape):
        raise ValueError(f"x0 has the shape {x0.shape}, but x1 has {x1.shape}")
    if alpha is not None and alpha.shape.rank not in (None, 1):
        raise ValueError(f"alpha is one number for each image; got the shape {alpha.shape}")
    label = None if label is None else to_labels(label, x1, nb_class)
    return Unpacked(x0, x1, alpha, label, source, augmentation)
