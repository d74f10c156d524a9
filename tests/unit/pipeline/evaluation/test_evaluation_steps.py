"""The images of an evaluation outside a pipeline, and what is found wrong with them."""

from types import SimpleNamespace

from pipeline.config import load
from pipeline.evaluation import steps
from trainer.source.options import Source


def sampler(source=None):
    """Stands in for a model that is loaded."""
    return SimpleNamespace(source=source, image_shape=lambda: (8, 8, 3), metadata={})


def test_images_are_fitted_as_those_of_whichever_model_translates():
    translator = sampler(Source(degrade="gray", fit="pad", background="#ff8000"))
    for samplers in ([translator], [translator, sampler()], [sampler(), translator]):
        options = steps._image_options(load(), samplers, None)
        assert (options.fit, options.background) == ("pad", "#ff8000")
    assert steps._image_options(load(), [sampler()], None).fit == "crop"
