"""The images of an evaluation outside a pipeline, and what is found wrong with them."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.errors import ImageDataError
from pipeline.config import load
from pipeline.evaluation import steps
from pipeline.evaluation.inputs import Inputs, Judged
from trainer.source.options import Source


def sampler(source=None, **conversion):
    """Stands in for a model that is loaded."""
    metadata = {"source": source and source.model_dump(), "conversion": conversion}
    return SimpleNamespace(source=source, image_shape=lambda: (8, 8, 3), metadata=metadata)


def test_images_are_fitted_as_those_of_whichever_model_translates():
    translator = sampler(Source(degrade="gray", fit="pad", background="#ff8000"))
    other = sampler(fit="crop", background="#000000")
    for samplers in ([translator], [translator, other], [other, translator]):
        options = steps._image_options(load(), samplers, None)
        assert (options.fit, options.background) == ("pad", "#ff8000")
    assert steps._image_options(load(), [sampler()], None).fit == "crop"


def test_images_are_converted_as_those_of_the_training_unless_the_configuration_says_how():
    samplers = [sampler(fit="pad", background="#000000"), sampler(fit="crop")]
    options = steps._image_options(load(), samplers, None)
    assert (options.fit, options.background) == ("pad", "#000000")
    options = steps._image_options(load(overrides=["data.fit=crop"]), samplers, None)
    assert (options.fit, options.background) == ("crop", "#000000")


@pytest.mark.parametrize("damaged", [{"fit": "stretch"}, {"background": 3}, {"other": 1}])
def test_a_damaged_record_of_the_conversion_is_left_out(damaged):
    assert steps._image_options(load(), [sampler(**damaged)], None).fit == "crop"


@pytest.mark.parametrize(("paired", "images"), [(True, "their images"), (False, "images")])
def test_a_copy_of_the_images_is_no_folder_of_sources(tmp_path, monkeypatch, paired, images):
    real, copy, output = (tmp_path / name for name in ("real", "copy", "output"))
    real.mkdir()
    for seed in range(40):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(real / f"{seed}.png")
    shutil.copytree(real, copy)
    output.mkdir()
    translator = sampler(Source(degrade=None, use="map", paired=paired))
    monkeypatch.setattr(steps, "load_sampler", lambda folder: translator)
    inputs = Inputs(Judged(tmp_path / "model", True), None, real, None, copy)
    with pytest.raises(ImageDataError) as error:
        steps.run(inputs, load(), output, print)
    assert str(error.value) == (
        f"{copy}: all 40 sources have the pixels of {images}, so that there is nothing to "
        "translate; name another folder with --source"
    )
