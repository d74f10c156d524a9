"""Names of translated files; what can be wrong with them is found before a model is loaded."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.translation.files import TranslationError, plan_outputs
from tests.pipeline.stand_ins import save_sampler

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
