"""Starts a training from the weights of an earlier model instead of from random ones.

Beside a sampler SavedModel lie the network's raw weights and their moving average. The raw weights
go on training; the average starts from the earlier average, and since its warm-up counts images
from zero again (trainer/step/ema.py), it forgets that within the first steps. Optimizer, learning-rate
schedule and step start fresh.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from pydantic import ValidationError

from trainer.common.text import first_line
from trainer.common.validation import explain
from trainer.iadb import IADBModel
from trainer.options import ModelOptions
from trainer.sampler import METADATA

RAW = "raw.weights.h5"
AVERAGE = "ema.weights.h5"
INDIFFERENT = {"dropout"}  # options of the network that its weights do not depend on


class MisfitError(ValueError):
    """The earlier weights are not for this network, or cannot be read; the text says why."""


def save_weights(model: IADBModel, sampler: str) -> None:
    """Writes raw and averaged weights beside the sampler SavedModel that was made of them."""
    folder = _weights_folder(sampler)
    tf.io.gfile.makedirs(folder)
    model.network.save_weights(f"{folder}/{RAW}")
    model.ema_network.save_weights(f"{folder}/{AVERAGE}")


def warm_start(
    model: IADBModel,
    base: str | None,
    options: ModelOptions,
    shape: tuple[int, int, int],
    labels: Sequence[str],
    split: Mapping[str, Any] | None,
    say: Callable[[str], None],
) -> str | None:
    """Loads the weights of the base model, if there is one and they fit; says so, or why not.

    Args:
        model: built from the options, with an average.
        base: the base's sampler SavedModel, with the weights beside it; None where there is none.
        options: of the network.
        shape: (H, W, C) of an image.
        labels: names of the classes of a conditional model, by their ids.
        split: what decides which images are held out, by keys of the configuration. After a change,
            the base may have been trained on images that are held out now.
        say: told in one line what the training starts from.

    Returns:
        `base`, or None where the model keeps the weights it had.
    """
    try:
        if base is None:
            raise MisfitError("there is no blessed model yet that was trained on other examples")
        load_weights(model, base, options, shape, labels, split)
    except MisfitError as misfit:
        say(f"cold start: {misfit}")
        return None
    say(f"warm start from the latest blessed model, {base}")
    return base


def load_weights(
    model: IADBModel,
    base: str,
    options: ModelOptions,
    shape: tuple[int, int, int],
    labels: Sequence[str],
    split: Mapping[str, Any] | None = None,
) -> None:
    """Gives the network the base's raw weights and the average the base's average.

    The arguments are those of `warm_start`.

    Raises:
        MisfitError: the base is another network or was trained on images of another shape, or a
            file of it is missing or damaged; the model is unchanged then.
    """
    ours, theirs = _description(options, shape, labels, split), _read_description(base)
    differing = [name for name, value in ours.items() if theirs.get(name) != value]
    if differing:
        here, there = (
            ", ".join(f"{name}={json.dumps(values.get(name))}" for name in differing)
            for values in (ours, theirs)
        )
        raise MisfitError(f"the latest blessed model has {there}; this configuration has {here}")
    # Read into a network of their own, so that a damaged file never leaves a half-loaded model.
    source = keras.models.clone_model(model.network)
    raw = _read_weights(source, f"{_weights_folder(base)}/{RAW}")
    average = _read_weights(source, f"{_weights_folder(base)}/{AVERAGE}")
    model.network.set_weights(raw)
    model.ema_network.set_weights(average)


def _weights_folder(sampler: str) -> str:
    return f"{sampler.rpartition('/')[0]}/network"


def _description(
    options: ModelOptions,
    shape: Sequence[int],
    labels: Sequence[str],
    split: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """All that shape and meaning of the weights depend on, by keys of the configuration."""
    height, _, channels = shape
    network = options.model_dump(mode="json", exclude=INDIFFERENT)
    return {
        **{f"model.{name}": value for name, value in network.items()},
        "data.resolution": height,
        "data.channels": channels,
        "labels": list(labels),
        **(split or {}),
    }


def _read_description(base: str) -> dict[str, Any]:
    path = f"{base}/{METADATA}"
    try:
        with tf.io.gfile.GFile(path) as file:
            metadata = json.load(file)
        options = ModelOptions.model_validate(metadata["config"]["model"])
        labels, split = metadata.get("labels", []), metadata["split"]
        return _description(options, metadata["shape"], labels, split)
    except (tf.errors.OpError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def _read_weights(network: keras.Model, path: str) -> list:
    try:
        network.load_weights(path)
    # h5py and Keras raise errors of many kinds, by what is damaged.
    except Exception as error:
        raise _unreadable(path, error) from error
    return network.get_weights()


def _unreadable(path: str, error: Exception) -> MisfitError:
    if isinstance(error, ValidationError):
        error = ValueError(explain(error.errors()[0]))
    return MisfitError(f"{path} of the latest blessed model cannot be read ({first_line(error)})")
