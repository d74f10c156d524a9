"""How a dataset is read while Keras trains on it."""

from typing import Any

import tensorflow as tf


def without_tuning() -> tf.data.Options:
    """Returns dataset options that disable autotuning, whose thread may delay the end of `fit`.

    The thread doubles its sleep each time, up to a minute, and may miss that its iterator ends.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def untuned(data: Any) -> Any:
    """Returns a tf.data.Dataset that is not tuned while it is read; other data as they are."""
    return data.with_options(without_tuning()) if isinstance(data, tf.data.Dataset) else data
