"""A SavedModel as the commands use it, and what is known of one that translates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.drawing.saved_model import load_saved_model
from pipeline.registry.serving import StoredModel, read_metadata, read_model
from trainer.common import exit_codes
from trainer.common.remote_path import AnyPath
from trainer.limit_options import LimitOptions
from trainer.source.options import Source


class NotATranslatorError(ValueError):
    """A model that draws from noise alone, where one that translates is needed."""

    exit_code = exit_codes.USAGE


def find_source(model: StoredModel) -> Source | None:
    """What the sources of a model are, from its metadata; None for one that draws from noise."""
    source = model.metadata.get("source")
    return Source.model_validate(source) if source else None


@dataclass(frozen=True)
class About:
    """What the metadata of a model that translates say.

    Attributes:
        source: what its sources are.
        shape: (H, W, C) of its images.
        labels: the classes that it knows; empty for an unconditional model.
        nb_step: solver steps by default.
        limits: what one request may ask for.
    """

    source: Source
    shape: tuple[int, int, int]
    labels: tuple[str, ...]
    nb_step: int
    limits: LimitOptions


def read_about(model: AnyPath) -> About:
    """Reads the metadata of a model that translates, without TensorFlow.

    Raises:
        NotATranslatorError: it draws from noise alone.
    """
    source = find_source(read_model(model))
    if source is None:
        raise NotATranslatorError(
            f"{model} draws images from noise and translates none; train a model with "
            "data.source or data.degrade, for example --set 'data.degrade=downscale 4'"
        )
    metadata = read_metadata(model, "nb_step", "shape", "limits")
    return About(
        source=source,
        shape=tuple(metadata["shape"]),
        labels=tuple(metadata.get("labels", ())),
        nb_step=metadata["nb_step"],
        limits=LimitOptions.model_validate(metadata["limits"]),
    )


class LoadedModel:
    """A SavedModel whose signatures are called by name."""

    def __init__(self, model: AnyPath) -> None:
        """Loads the SavedModel in a folder.

        Raises:
            SavedModelError: it is damaged.
        """
        self._model = load_saved_model(model)

    def call(self, signature: str, rows: Mapping[str, Any]) -> Any:
        """Calls a signature with those of the inputs that it takes; returns its one output.

        Args:
            signature: its name.
            rows: arrays by input. A seed is left out where the model takes none, for example.

        Raises:
            tf.errors.InvalidArgumentError: the request is bad.
        """
        import tensorflow as tf

        function = self._model.signatures[signature]
        taken = function.structured_input_signature[1]
        given = {name: tf.constant(rows[name], spec.dtype) for name, spec in taken.items()}
        (output,) = function(**given).values()
        return output.numpy()
