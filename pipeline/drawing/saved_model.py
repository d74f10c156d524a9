"""Loads the SavedModel of a sampler with TensorFlow."""

import os
from typing import Any

from trainer.common import exit_codes
from trainer.common.progress import phase
from trainer.common.remote_path import AnyPath
from trainer.common.text import first_line


class SavedModelError(ValueError):
    """A folder whose SavedModel does not load; the message is one line."""

    exit_code = exit_codes.USAGE


def load_saved_model(model: AnyPath) -> Any:
    """Loads the SavedModel in a folder; the object holds the weights of its signatures.

    Raises:
        SavedModelError: it is damaged.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside a training
    with phase("starting TensorFlow"):
        import tensorflow as tf
    try:
        with phase("loading the model"):
            return tf.saved_model.load(str(model))
    except (
        MemoryError,
        PermissionError,
        tf.errors.PermissionDeniedError,
        tf.errors.ResourceExhaustedError,
        tf.errors.UnavailableError,
    ):
        raise  # which says nothing about the model
    except Exception as error:  # TensorFlow raises many types on a damaged SavedModel
        raise SavedModelError(
            f"{model} does not load as a SavedModel: {first_line(error)}"
        ) from error
