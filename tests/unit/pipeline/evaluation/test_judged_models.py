"""How the images of an evaluation are converted for its models."""

import pytest

from pipeline.config.pipeline_config import load
from pipeline.evaluation.judged_models import image_options
from tests.unit.pipeline.evaluation.stand_in import sampler
from trainer.source.options import Source


def test_images_are_fitted_as_those_of_whichever_model_translates():
    translator = sampler(Source(degrade="gray", fit="pad", background="#ff8000"))
    other = sampler(fit="crop", background="#000000")
    for samplers in ([translator], [translator, other], [other, translator]):
        options = image_options(load(), samplers, None)
        assert (options.fit, options.background) == ("pad", "#ff8000")
    assert image_options(load(), [sampler()], None).fit == "crop"


def test_images_are_converted_as_those_of_the_training_unless_the_configuration_says_how():
    samplers = [sampler(fit="pad", background="#000000"), sampler(fit="crop")]
    options = image_options(load(), samplers, None)
    assert (options.fit, options.background) == ("pad", "#000000")
    options = image_options(load(overrides=["data.fit=crop"]), samplers, None)
    assert (options.fit, options.background) == ("crop", "#000000")


@pytest.mark.parametrize("damaged", [{"fit": "stretch"}, {"background": 3}, {"other": 1}])
def test_a_damaged_record_of_the_conversion_is_left_out(damaged):
    assert image_options(load(), [sampler(**damaged)], None).fit == "crop"
