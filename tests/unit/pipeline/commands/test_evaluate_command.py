"""`iadb evaluate` reports wrong arguments and leaves nothing behind."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


@pytest.fixture
def folders(tmp_path):
    """A folder `real` with some images and an empty one; results would be written beside them."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "real").mkdir()
    for i in range(4):
        noise = np.random.default_rng(i).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(noise).save(tmp_path / "real" / f"{i}.png")
    return tmp_path


@pytest.fixture
def evaluate(folders):
    """Calls the command, which must fail; returns code and text with relative paths."""

    def call(candidate, *args, real="real", output="out"):
        before = sorted(folders.rglob("*"))
        where = ("--real", folders / real, "-o", folders / output)
        result = iadb("evaluate", folders / candidate, *where, *args)
        assert sorted(folders.rglob("*")) == before, "something was left behind"
        return result.exit_code, result.output.replace(f"{folders}/", "")

    return call


def test_a_missing_candidate_is_wrong_usage(evaluate):
    said = "iadb: nothing: no such folder; name a SavedModel or a folder of images\n"
    assert evaluate("nothing") == (2, said)


def test_a_candidate_without_model_or_images_is_wrong_usage(evaluate):
    said = "iadb: empty: neither a SavedModel (it has no saved_model.pb) nor a folder of images\n"
    assert evaluate("empty") == (2, said)


def test_a_damaged_model_is_reported_in_one_line(evaluate, folders):
    (folders / "model" / "assets.extra").mkdir(parents=True)
    (folders / "model" / "saved_model.pb").write_bytes(b"no model")
    (folders / "model" / "assets.extra" / "iadb.json").write_text('{"nb_step": 3}')
    code, said = evaluate("model")
    assert code == 2
    assert said.startswith("iadb: model does not load as a SavedModel with the signature")
    assert said.count("\n") == 1


def test_a_model_without_metadata_is_reported_in_one_line(evaluate, folders):
    (folders / "model").mkdir()
    (folders / "model" / "saved_model.pb").write_bytes(b"")
    code, said = evaluate("model")
    assert code == 2
    assert said.startswith("iadb: model/assets.extra/iadb.json contains no nb_step")
    assert said.count("\n") == 1


@pytest.mark.parametrize("option", ["--real", "--train"])
def test_a_missing_folder_of_images_is_wrong_data(evaluate, option):
    said = "iadb: nothing: no such folder; name the folder that holds the images\n"
    args = {"real": "nothing"} if option == "--real" else {}
    extra = (option, "nothing") if option == "--train" else ()
    assert evaluate("real", *extra, **args) == (3, said)


def test_real_images_are_required():
    result = iadb("evaluate", "somewhere")
    assert result.exit_code == 2
    assert "Missing option '--real'" in result.output


def test_a_folder_without_images_is_wrong_data(evaluate):
    code, said = evaluate("real", real="empty")
    assert code == 3
    assert said.startswith("iadb: empty: no image files below this folder")


def test_results_never_replace_an_existing_folder(evaluate, folders):
    said = "iadb: empty already exists; name another folder with --output\n"
    assert evaluate("real", output="empty") == (2, said)


def test_an_output_folder_that_cannot_be_created_is_reported(evaluate):
    said = "iadb: no/out cannot be created: No such file or directory\n"
    assert evaluate("real", output="no/out") == (2, said)


def test_a_wrong_setting_is_reported_before_anything_else(evaluate):
    code, said = evaluate("nothing", "--set", "evaluate.sample=3")
    assert (code, said) == (2, "iadb: evaluate.sample: unknown key; did you mean samples?\n")
