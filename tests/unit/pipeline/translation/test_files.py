"""Names of translated files; what can be wrong with them is found before a model is loaded."""

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.translation.files import TranslationError, plan_outputs, translate_files
from tests.pipeline.stand_ins import save_sampler
from trainer.limit_options import LimitOptions
from trainer.serving.translator import Translator
from trainer.source.options import Source

OUT = Path("out")


def test_each_file_gets_a_png_of_its_name_or_one_for_each_answer():
    files = [Path("a/one.jpg"), Path("two.png"), Path("two.png")]
    assert plan_outputs(files, OUT, 1) == {files[0]: [OUT / "one.png"], files[1]: [OUT / "two.png"]}
    numbered = [OUT / "one-1.png", OUT / "one-2.png"]
    assert plan_outputs(files[:1], OUT, 2) == {files[0]: numbered}


def test_two_files_with_one_name_are_reported():
    with pytest.raises(TranslationError) as error:
        plan_outputs([Path("a/x.jpg"), Path("b/x.png")], OUT, 1)
    assert str(error.value) == (
        "a/x.jpg and b/x.png would both be translated to x.png; translate them into different "
        "folders"
    )


def test_a_file_is_never_replaced_by_its_translation(tmp_path):
    file = tmp_path / "x.png"
    with pytest.raises(TranslationError, match="would be replaced by a translation"):
        plan_outputs([file], tmp_path / "." / "", 1)


def test_a_model_that_draws_from_noise_is_reported(tmp_path):
    save_sampler(tmp_path / "model")
    (tmp_path / "x.png").write_bytes(b"x")
    result = CliRunner().invoke(
        main,
        ["translate", f"{tmp_path}/x.png", f"--model={tmp_path}/model", f"-o={tmp_path}/out"],
    )
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        f"iadb: {tmp_path}/model draws images from noise and translates none; train a model with "
        "data.degrade, for example --set 'data.degrade=downscale 4'"
    )


def test_the_answers_to_a_file_are_limited_by_the_images_of_a_request_alone(tmp_path):
    source, limits = Source(degrade="blur 1"), LimitOptions(images=16, states=256)
    x, steps = keras.Input((8, 8, 2)), 100  # states: two images in so many steps
    network = keras.Model([x, keras.Input(())], 0.0 * x[..., :1])
    model, file = tmp_path / "model", tmp_path / "x.png"
    translator = Translator(source, network, (8, 8, 1), "euler", steps, limits=limits)
    translator.save(str(model), {"nb_step": steps, "source": source.model_dump()})
    Image.fromarray(np.zeros([8, 8], np.uint8)).save(file)
    for answers in (3, 17):
        planned = plan_outputs([file], tmp_path / "out", answers)
        (tmp_path / "out").mkdir(exist_ok=True)
        if answers == 3:
            assert translate_files(model, planned, 0, "", pytest.fail) == 1
            assert len(list((tmp_path / "out").iterdir())) == 3
        else:
            with pytest.raises(TranslationError, match=r"at most 16 .* \(sample.limits.images\)$"):
                translate_files(model, planned, 0, "", pytest.fail)
