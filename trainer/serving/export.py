"""The model that a training exports: one that draws images, or one that translates sources.

It computes in float32 in whatever precision it was trained: it draws the same images on all
hardware, and without TensorFlow. Most CPUs would emulate 16 bits.
"""

from typing import Any

import keras

from trainer.iadb import IADBModel
from trainer.serving.exported import ExportedGuide, ExportedModel
from trainer.serving.sampler import Sampler
from trainer.serving.translator import Translator
from trainer.source.options import Source


def exported_model(
    source: Source | None,
    network: keras.Model,
    *args: Any,
    fixed_steps: bool = False,
    **kwargs: Any,
) -> ExportedModel:
    """Returns a Translator, or without sources a Sampler.

    Args:
        source: what the sources are, and how they are used; None for a model without.
        network: whose weights are exported.
        args, kwargs: the other arguments of ExportedModel.
        fixed_steps: as in Sampler, of a model without sources.
    """
    if source:
        return Translator(source, in_float32(network), *args, **kwargs)
    return Sampler(in_float32(network), *args, fixed_steps=fixed_steps, **kwargs)


def exported_guide(model: IADBModel) -> ExportedGuide | None:
    """The guide that a model is exported with; None if it draws without autoguidance."""
    guidance = model.sampling.guidance
    if model.guide is None or guidance.auto == 1.0:
        return None
    return ExportedGuide(in_float32(model.guide.network), guidance.auto, guidance.interval)


def in_float32(network: keras.Model) -> keras.Model:
    """Returns a network with the same weights that computes in float32: itself if it does."""
    if not _is_mixed(network):
        return network
    copy = keras.models.clone_model(network, clone_function=_layer_in_float32)
    copy.set_weights(network.get_weights())
    return copy


def _layer_in_float32(layer: keras.Operation) -> keras.Operation:
    if isinstance(layer, keras.Model):
        return in_float32(layer)
    config = layer.get_config()
    if _is_mixed(layer):
        config["dtype"] = "float32"
    return type(layer).from_config(config)


def _is_mixed(layer: keras.Operation) -> bool:
    if isinstance(layer, keras.Model):
        return any(map(_is_mixed, layer.layers))
    if not isinstance(layer, keras.Layer):  # a slice, for example, which has no policy
        return False
    return layer.dtype_policy.name.startswith("mixed_")
