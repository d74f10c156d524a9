"""What Keras passes to a step: x1, pairs (x0, x1), or dictionaries with labels or sources."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from trainer.ode.arguments import to_float

LARGE = 10  # of x0 or x1: probably pixels that are not scaled
SCALE = "scale images to [-1, 1], as noise has a deviation of 1"
CHECKED = 64  # rows of an array that are looked at for that
SEEN = 16  # images, at least, of which not one has a value below 0, as if scaled to [0, 1]

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


def reject_weights(arguments: Mapping[str, Any]) -> None:
    """Checks arguments of a method of Keras, some of which it would silently drop.

    Raises:
        ValueError: there are weights of images among them.
    """
    weights = ("sample_weight", "class_weight")
    if given := [name for name in weights if arguments.get(name) is not None]:
        raise ValueError(f"IADB weighs all images alike: leave out {', '.join(given)}")


def check_arrays(parts: Any, nb_class: int, stacklevel: int = 4) -> None:
    """Checks all of what is passed in memory, before steps get it by batches.

    Warns if x0 or x1 are probably not scaled. The arguments are those of the two checks; so is the
    error.
    """
    check_limits(parts, nb_class)
    warn_of_scale(parts, stacklevel + 1)


def check_limits(parts: Any, nb_class: int) -> None:
    """Checks labels, alphas and values in memory.

    Args:
        parts: what a batch has by name; anything else is not looked at.
        nb_class: number of classes of the network.

    Raises:
        ValueError: a label is beyond 0 to nb_class, or an alpha beyond 0 to 1, or x0, x1 or source
            have NaN or infinity.
    """
    if not isinstance(parts, Mapping):
        return
    _check_finite(parts)
    for name, (kinds, low, high) in _limits(nb_class).items():
        if not isinstance(parts.get(name), (np.ndarray, tf.Tensor, list)):
            continue
        values = np.asarray(parts[name])
        if not values.size or values.dtype.kind not in kinds:
            continue
        least, most = values.min(), values.max()
        if not (least >= low and most <= high):  # nor is it, if one is no number
            wrong = most if least >= low else least
            raise ValueError(f"{name} {wrong} is beyond {low} to {high}")


def _check_finite(parts: Mapping[str, Any]) -> None:
    """Raises a ValueError if one value is not finite, which would make all weights NaN."""
    for name in ("x0", "x1", "source"):
        if not isinstance(parts.get(name), (np.ndarray, tf.Tensor)):
            continue
        values = np.asarray(parts[name])
        if values.dtype.kind != "f" or not values.size:
            continue
        least, most = values.min(), values.max()  # NaN if a value is; isfinite would copy all
        if not np.isfinite([least, most]).all():
            raise ValueError(
                f"{name} has values from {least} to {most}; all must be finite: replace NaN and "
                "infinity, or leave out the images that have them"
            )


def warn_of_scale(parts: Any, stacklevel: int) -> None:
    """Warns if x0 or x1 in memory are probably not scaled.

    Args:
        parts: as of `check_limits`.
        stacklevel: of the warning, to the caller of a method of Keras.
    """
    if not isinstance(parts, Mapping):
        return
    for name in ("x0", "x1"):
        values = parts.get(name)
        if not isinstance(values, (np.ndarray, tf.Tensor)):
            continue
        first = np.asarray(values[:CHECKED]) if len(values.shape) else np.empty(0)
        if first.dtype.kind != "f" or not first.size:
            continue
        least, most = first.min(), first.max()
        is_dark = first.ndim > 2 and len(first) >= SEEN and 0 <= least < most <= 1
        if is_dark or max(-least, most) > LARGE:
            span = f"from {least:.4g} to {most:.4g}"
            warnings.warn(f"{name} has values {span}; {SCALE}", stacklevel=stacklevel)


def named(x: Any, y: Any = None, name: str = "x1") -> Any:
    """What Keras is given as x and y, by the names of a batch; x alone is that of `name`."""
    if y is None:
        return x if isinstance(x, dict) else {name: x}
    return {"x0": x, "x1": y}


def check_batches(data: Any, nb_class: int, name: str = "x1") -> Any:
    """Returns data that are checked as `check_arrays` does while they are read; arrays as are.

    A compiled step would take what is beyond its limits for something else. Of the batches of a
    program, the scale of the first one is looked at; of a tf.data.Dataset, labels and alphas alone.
    What a generator yields need not be a tuple.

    Args:
        data: what Keras is given as x.
        nb_class: as of `check_arrays`.
        name: what a batch is that is no dictionary or pair.
    """
    check = _CheckBatch(nb_class, name)
    if isinstance(data, keras.utils.PyDataset):
        return _CheckedBatches(data, check)
    if inspect.isgenerator(data):  # of which Keras takes tuples alone
        return (
            tuple(batch) if isinstance(batch, list | tuple) else (batch,)
            for batch in map(check, data)
        )
    if not isinstance(data, tf.data.Dataset):
        return data
    spec, limits = data.element_spec, _limits(nb_class)
    if isinstance(spec, tuple) and len(spec) == 1 and isinstance(spec[0], Mapping):
        spec = spec[0]
        data = data.map(lambda batch: batch)  # out of the tuple
    if not isinstance(spec, Mapping):
        return data
    checked = [name for name in limits if isinstance(spec.get(name), tf.TensorSpec)]

    def check(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name in checked:
            _, low, high = limits[name]
            values = tf.cast(batch[name], tf.float64)
            inside = tf.reduce_all((values >= low) & (values <= high))
            tf.debugging.Assert(inside, [f"{name} is beyond {low} to {high}:", batch[name]])
        return batch

    return data.map(check) if checked else data


class _CheckedBatches(keras.utils.PyDataset):
    """The batches of another one, which are checked."""

    def __init__(self, given: keras.utils.PyDataset, check: "_CheckBatch") -> None:
        super().__init__(given.workers, given.use_multiprocessing, given.max_queue_size)
        self._given, self._check = given, check

    @property
    def num_batches(self) -> int | None:
        return self._given.num_batches

    def __getitem__(self, index: int) -> Any:
        return self._check(self._given[index])

    def on_epoch_begin(self) -> None:
        self._given.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._given.on_epoch_end()


class _CheckBatch:
    """Checks batches and returns them; it warns of the first alone."""

    def __init__(self, nb_class: int, name: str) -> None:
        self._nb_class, self._name = nb_class, name
        self._is_first = True

    def __call__(self, batch: Any) -> Any:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        parts = named(x, y, self._name)
        check_limits(parts, self._nb_class)
        if self._is_first:
            self._is_first = False
            warn_of_scale(parts, stacklevel=2)
        return batch


def _limits(nb_class: int) -> dict[str, tuple[str, int, int]]:
    """Kinds of data types, least and largest value of what has limits, by name."""
    return {"alpha": ("f", 0, 1)} | ({"label": ("iu", 0, nb_class)} if nb_class else {})


class ScaleWarning(keras.callbacks.Callback):
    """Warns after the first step if its loss shows that images are probably not scaled."""

    async_safe = True  # Keras need not wait for the numbers of every step

    def __init__(self) -> None:
        super().__init__()
        self._is_first = True

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the loss of the first step."""
        if self._is_first and logs and float(logs.get("loss", 0)) > LARGE**2:
            warnings.warn(f"the first loss is {float(logs['loss']):.4g}; {SCALE}", stacklevel=1)
        self._is_first = False


def unpack(data: Batch, rank: int, nb_class: int, source_channels: int = 0) -> Unpacked:
    """Takes a batch apart.

    Args:
        data: the batch, also as `train_on_batch` passes it, with None for what it lacks.
        rank: of x1.
        nb_class: number of classes of the network; 0 if it takes no label.
        source_channels: last axis of the source that the network sees; 0 if it sees none.

    Returns:
        x0 and x1, float32 [N, ...], alpha, float32 [N], label, an integer tensor [N], source,
        float32 [N, ..., source_channels], and augmentation, an integer tensor [N].

    Raises:
        ValueError: the batch has no label for a conditional network, or has one for another; the
            same for the source of a network that sees one; or it has sample weights, no x1, a list
            in place of a tensor, or an unknown key; or x1 has another rank, x0 another shape than
            x1; or x0, x1 or source have whole numbers, which are probably not scaled; or labels
            have others; or labels or alphas are not one for each image.
    """
    first, second, weight = keras.utils.unpack_x_y_sample_weight(data)
    reject_weights({"sample_weight": weight})
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
    if label is not None:
        label = tf.convert_to_tensor(label)
        label = tf.cast(label, tf.int64) if label.dtype.is_bool else label
        if not label.dtype.is_integer or label.shape.rank not in (None, 1):
            raise ValueError(
                f"labels are one whole number for each image; got {label.dtype.name} of the shape "
                f"{label.shape}"
            )
    return Unpacked(x0, x1, alpha, label, source, augmentation)
