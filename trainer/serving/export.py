"""The model that a training exports: one that draws images, or one that translates sources."""

from typing import Any

from trainer.serving.exported import ExportedModel
from trainer.serving.sampler import Sampler
from trainer.serving.translator import Translator
from trainer.source.options import Source


def exported_model(source: Source | None, *args: Any, **kwargs: Any) -> ExportedModel:
    """Returns a Translator, or without sources a Sampler.

    Args:
        source: what the sources are, and how they are used; None for a model without.
        args, kwargs: those of ExportedModel.
    """
    if source:
        return Translator(source, *args, **kwargs)
    return Sampler(*args, **kwargs)
