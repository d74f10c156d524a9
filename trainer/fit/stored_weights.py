"""The weights beside a sampler SavedModel: written with it, and read if they fit a network.

They are the network's raw weights, their moving average, and the guide.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from pydantic import ValidationError

from trainer.common.remote_path import to_path
from trainer.common.resolution import from_sides
from trainer.common.text import first_line
from trainer.common.validation import explain
from trainer.iadb import IADBModel
from trainer.names import METADATA
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions
from trainer.serving import model_metadata
from trainer.source.options import Source

RAW = "raw.weights.h5"
AVERAGE = "ema.weights.h5"
GUIDE = "guide.weights.h5"
# Options of the network that do not affect its weights; those of a source are compared as Source.
WITHOUT_WEIGHTS = {"dropout", "source", "source_noise"}


class MisfitError(ValueError):
    """The earlier weights do not fit this network or cannot be read; the message says why."""


def save_weights(model: IADBModel, sampler: str) -> None:
    """Writes the raw and averaged weights of a model, and its guide's, beside its SavedModel."""
    folder = _weights_folder(sampler)
    tf.io.gfile.makedirs(folder)
    model.network.save_weights(f"{folder}/{RAW}")
    model.ema_network.save_weights(f"{folder}/{AVERAGE}")
    if model.guide:
        model.guide.network.save_weights(f"{folder}/{GUIDE}")


def load_weights(
    model: IADBModel,
    base: str,
    options: ModelOptions,
    shape: tuple[int, int, int],
    labels: Sequence[str],
    split: Mapping[str, Any] | None = None,
    source: Source | None = None,
) -> None:
    """Loads the base's raw weights into the network, its average into the average, and its guide.

    Args:
        model: built from the options, with an average.
        base: the sampler SavedModel of the base, with the weights beside it.
        options: options of the network.
        shape: (H, W, C) of an image.
        labels: names of the classes of a conditional model, in the order of their ids.
        split: the configuration keys that determine which images are held out. With others, the
            base may have been trained on images that are held out now.
        source: how the model uses sources; None for a model without.

    Raises:
        MisfitError: the base has another network, image shape, labels, split or use of sources, or
            one of its files is missing or damaged; the model is unchanged then.
    """
    ours, theirs = _description(options, shape, labels, split, source), _read_description(base)
    differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    if differing:
        here, there = (
            ", ".join(f"{name}={json.dumps(values.get(name))}" for name in differing)
            for values in (ours, theirs)
        )
        raise MisfitError(f"the model {base} has {there}; this configuration has {here}")
    # Loaded into a separate network first: a damaged file must not leave a half-loaded model.
    source = keras.models.clone_model(model.network)
    raw = _read_weights(source, f"{_weights_folder(base)}/{RAW}")
    average = _read_weights(source, f"{_weights_folder(base)}/{AVERAGE}")
    if model.guide:
        model.guide.network.set_weights(_read_weights(source, f"{_weights_folder(base)}/{GUIDE}"))
        model.guide.ready.assign(1)
    model.network.set_weights(raw)
    model.ema_network.set_weights(average)


def by_conversion(conversion: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how files became images as part of a split: images are held out by their pixels."""
    return {f"data.{name}": value for name, value in conversion.items()}


def read_sampling(base: str) -> SampleOptions:
    """Reads how a model draws, with its guidance, from the metadata of its SavedModel.

    Raises:
        MisfitError: the metadata are missing or damaged.
    """
    try:
        return SampleOptions.model_validate(model_metadata.read(to_path(base)).config["sample"])
    except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
        raise _unreadable(f"{base}/{METADATA}", error) from error


def _weights_folder(sampler: str) -> str:
    return f"{sampler.rpartition('/')[0]}/network"


def _description(
    options: ModelOptions,
    shape: Sequence[int],
    labels: Sequence[str],
    split: Mapping[str, Any] | None,
    source: Source | None,
) -> dict[str, Any]:
    """Returns what shape and meaning of the weights depend on, by key of the configuration."""
    height, width, channels = shape
    network = options.model_dump(mode="json", exclude=WITHOUT_WEIGHTS)
    return {
        **{f"model.{name}": value for name, value in network.items()},
        "data.resolution": from_sides((height, width)),
        "data.channels": channels,
        "labels": list(labels),
        "data.degrade": source and source.degrade,
        "model.source": source and source.use,
        "model.source_noise": source and source.noise,
        # Sources without pairs are held out by themselves: a model of pairs may have seen them.
        "data.pairing": "none" if source and not source.paired else "name",
        **(split or {}),
    }


def _read_description(base: str) -> dict[str, Any]:
    try:
        about = model_metadata.read(to_path(base), "shape", "split", "conversion")
        options = ModelOptions.model_validate(about.config["model"])
        split = about.split | by_conversion(about.recorded["conversion"])
        return _description(options, about.shape, about.labels, split, about.source)
    except (tf.errors.OpError, OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(f"{base}/{METADATA}", error) from error


def _read_weights(network: keras.Model, path: str) -> list:
    try:
        network.load_weights(path)
    # h5py and Keras raise many kinds of errors, depending on the damage.
    except Exception as error:
        raise _unreadable(path, error) from error
    return network.get_weights()


def _unreadable(path: str, error: Exception) -> MisfitError:
    if isinstance(error, ValidationError):
        error = ValueError(explain(error.errors()[0]))
    return MisfitError(f"{path} cannot be read ({first_line(error)})")
