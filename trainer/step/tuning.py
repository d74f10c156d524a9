"""How a dataset is read while Keras trains on it."""

import tensorflow as tf


def without_tuning() -> tf.data.Options:
    """Returns dataset options that disable autotuning, whose thread may delay the end of `fit`.

    The thread doubles its sleep each time, up to a minute, and may miss that its iterator ends.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
