"""The images of an evaluation outside a pipeline, and what is found wrong with them."""

import shutil

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.errors import ImageDataError
from pipeline.config.pipeline_config import load
from pipeline.evaluation import steps
from pipeline.evaluation.inputs import Inputs, Judged
from tests.unit.pipeline.evaluation.stand_in import sampler
from trainer.source.options import Source


@pytest.mark.parametrize("paired", [True, False])
def test_a_copy_of_the_images_is_no_folder_of_sources(tmp_path, monkeypatch, paired):
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
        f"{copy}: all 40 sources have the pixels of images, so that there is nothing to "
        "translate; name another folder with --source"
    )
