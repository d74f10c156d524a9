"""The model that a training exports: one that draws images, or one that translates sources."""

from typing import Any

from trainer.light.mark import Mark
from trainer.ode.sampling import SamplingModel
from trainer.serving.exported import ExportedGuide, ExportedModel
from trainer.serving.sampler import Sampler
from trainer.serving.translator import Translator
from trainer.source.options import Source


def exported_model(
    source: Source | None,
    *args: Any,
    mark: Mark | None = None,
    fixed_steps: bool = False,
    **kwargs: Any,
) -> ExportedModel:
    """Returns a Translator, or without sources a Sampler.

    Args:
        source: what the sources are, and how they are used; None for a model without.
        args, kwargs: those of ExportedModel.
        mark: that is set in the noise of seeds, of a model without sources; None for none.
        fixed_steps: as in Sampler, of a model without sources.
    """
    if source:
        return Translator(source, *args, **kwargs)
    return Sampler(*args, mark=mark, fixed_steps=fixed_steps, **kwargs)


def exported_guide(model: SamplingModel) -> ExportedGuide | None:
    """The guide that a model is exported with; None if it draws without autoguidance."""
    if model.guide is None or model.autoguidance == 1.0:
        return None
    return ExportedGuide(model.guide.network, model.autoguidance, model.autoguidance_interval)
