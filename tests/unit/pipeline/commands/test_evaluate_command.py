"""`iadb evaluate` reports wrong arguments and leaves nothing behind."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from components.metrics import MIN_IMAGES
from pipeline.cli import main
from pipeline.evaluation.evaluate import _publish

ITSELF = "images would be compared with themselves; name a folder of other images"
# Prints what a call says, and whether it imported TensorFlow.
CALL = """
import sys
from click.testing import CliRunner
from pipeline.cli import main

result = CliRunner().invoke(main, sys.argv[1:])
print(result.output, end="")
print("tensorflow" in sys.modules)
"""


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def write_images(folder, first=0, count=MIN_IMAGES):
    folder.mkdir()
    for i in range(first, first + count):
        noise = np.random.default_rng(i).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")


@pytest.fixture
def folders(tmp_path):
    """Folders `real` and `other` with some images and an empty one; results are written beside."""
    (tmp_path / "empty").mkdir()
    write_images(tmp_path / "real")
    write_images(tmp_path / "other", first=30)
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


def test_a_file_is_not_said_to_be_missing(evaluate):
    said = "iadb: real/0.png: not a folder; name a SavedModel or a folder of images\n"
    assert evaluate("real/0.png") == (2, said)
    said = "iadb: real/0.png: not a folder; name the folder that holds the images\n"
    assert evaluate("other", real="real/0.png") == (3, said)


def test_a_candidate_without_model_or_images_is_wrong_usage(evaluate):
    said = "iadb: empty: neither a SavedModel (it has no saved_model.pb) nor a folder of images\n"
    assert evaluate("empty") == (2, said)


def test_of_a_folder_of_models_one_is_to_be_named(evaluate, folders):
    (folders / "serving" / "17").mkdir(parents=True)
    (folders / "serving" / "17" / "saved_model.pb").write_bytes(b"")
    said = "iadb: serving holds 1 SavedModel; name one of them, for example serving/17\n"
    assert evaluate("serving") == (2, said)
    (folders / "serving" / "17" / "samples.png").write_bytes(b"beside a pushed model")
    assert evaluate("serving") == (2, said)
    (folders / "serving").rename(folders / "empty" / "serving")
    said = "iadb: empty holds 1 SavedModel; name one of them, for example empty/serving/17\n"
    assert evaluate("empty") == (2, said)


def test_a_damaged_model_is_reported_in_one_line(evaluate, folders):
    (folders / "model" / "assets.extra").mkdir(parents=True)
    (folders / "model" / "saved_model.pb").write_bytes(b"no model")
    (folders / "model" / "assets.extra" / "iadb.json").write_text('{"nb_step": 3}')
    for args in (("model",), ("other", "--baseline", folders / "model")):
        code, said = evaluate(*args)
        assert code == 2
        [error] = [line for line in said.splitlines() if line.startswith("iadb: ")]
        assert said.endswith(f"{error}\n")
        assert error.startswith("iadb: model does not load as a SavedModel: ")


def test_a_model_of_another_project_is_said_to_be_one(evaluate, folders):
    (folders / "model").mkdir()
    (folders / "model" / "saved_model.pb").write_bytes(b"")
    for args in (("model",), ("other", "--baseline", folders / "model")):
        code, said = evaluate(*args)
        assert code == 2
        assert said.startswith("iadb: model is not a sampler of this project")
        assert "the signature 'generate'" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("option", ["--real", "--train"])
def test_a_missing_folder_of_images_is_wrong_data(evaluate, option):
    said = "iadb: nothing: no such folder; name the folder that holds the images\n"
    args = {"real": "nothing"} if option == "--real" else {}
    extra = (option, "nothing") if option == "--train" else ()
    assert evaluate("other", *extra, **args) == (3, said)


def test_real_images_are_required():
    result = iadb("evaluate", "somewhere")
    assert result.exit_code == 2
    assert "missing option '--real'" in result.output


def test_a_folder_without_images_is_wrong_data(evaluate):
    code, said = evaluate("other", real="empty")
    assert code == 3
    assert said.startswith("iadb: empty: no image files below this folder")


def test_images_that_are_too_few_for_any_verdict_are_reported_before_tensorflow_starts(folders):
    write_images(folders / "one", first=60, count=1)
    for candidate, real, said in (
        ("one", "real", "one: 1 image cannot be judged: at least evaluate.min_samples=20 are "),
        ("real", "one", "one: 1 image cannot be judged: at least evaluate.min_samples=20 are "),
        ("empty", "real", "empty: neither a SavedModel"),
    ):
        arguments = ("evaluate", candidate, "--real", real)
        result = subprocess.run(
            [sys.executable, "-c", CALL, *arguments], capture_output=True, text=True, cwd=folders
        )
        line, tensorflow = result.stdout.splitlines()
        assert line.startswith(f"iadb: {said}")
        assert tensorflow == "False"


def test_how_many_images_would_do_is_said(evaluate):
    code, said = evaluate("other", "--set", "evaluate.min_samples=21")
    assert code == 3
    assert said == (
        "iadb: other: 20 images cannot be judged: at least evaluate.min_samples=21 are needed; add "
        "images, or lower it (--set evaluate.min_samples=20)\n"
    )


def test_no_smaller_number_than_any_verdict_needs_is_proposed(evaluate, folders):
    (folders / "other" / "30.png").unlink()
    code, said = evaluate("other")
    assert code == 3
    assert said == (
        "iadb: other: 19 images cannot be judged: at least evaluate.min_samples=20 are needed; add "
        "images\n"
    )


@pytest.mark.parametrize("spelling", ["real", "link", "other/../real"])
def test_training_images_are_not_the_images_to_compare_with(evaluate, folders, spelling):
    (folders / "link").symlink_to("real")
    code, said = evaluate("other", "--train", folders / spelling)
    assert code == 2
    assert said == (
        f"iadb: --train {spelling} is the same folder as --real real: the images to compare with "
        "would be the training images; leave --train out to take half of --real in their place, "
        "or name other images\n"
    )


def test_training_images_are_not_among_the_images_to_compare_with(evaluate, folders):
    write_images(folders / "real" / "old", first=30)
    code, said = evaluate("other", "--train", folders / "real" / "old")
    assert code == 2
    assert said.startswith("iadb: --train real/old is inside --real real: ")
    code, said = evaluate("other", "--train", folders / "real", real="real/old")
    assert code == 2
    assert said.startswith("iadb: --train real is a folder around --real real/old: ")


@pytest.mark.parametrize("spelling", ["real", "link"])
def test_images_are_not_compared_with_themselves(evaluate, folders, spelling):
    (folders / "link").symlink_to("real")
    said = f"iadb: the candidate {spelling} is the same folder as --real real: {ITSELF}\n"
    assert evaluate(spelling) == (2, said)
    said = f"iadb: --baseline {spelling} is the same folder as --real real: {ITSELF}\n"
    assert evaluate("other", "--baseline", folders / spelling) == (2, said)
    write_images(folders / "more", first=40)
    said = f"iadb: the candidate other is the same folder as --train other: {ITSELF}\n"
    assert evaluate("other", "--train", folders / "other") == (2, said)
    said = f"iadb: --baseline other is the same folder as the candidate other: {ITSELF}\n"
    assert evaluate("other", "--baseline", folders / "other") == (2, said)


def test_a_baseline_is_checked_like_a_candidate(evaluate, folders):
    said = "iadb: nothing: no such folder; name a SavedModel or a folder of images\n"
    assert evaluate("other", "--baseline", folders / "nothing") == (2, said)


def test_control_characters_in_names_do_not_reach_the_terminal(evaluate, folders):
    write_images(folders / "a\n\x1b[1mb[red]", first=50, count=1)
    code, said = evaluate("a\n\x1b[1mb[red]")
    assert code == 3
    assert said.startswith(r"iadb: a\n\x1b[1mb[red]: 1 image cannot be judged")
    assert said.count("\n") == 1


def test_names_that_tensorflow_cannot_open_are_reported(evaluate, folders):
    name = os.fsdecode(b"caf\xe9")
    write_images(folders / name, first=60)
    said = "iadb: caf\\udce9: the name is not UTF-8; rename the folder\n"
    assert evaluate(name) == (2, said)
    assert evaluate("other", real=name) == (2, said)
    assert evaluate("other", output=name) == (2, said)


def test_results_never_replace_an_existing_folder(evaluate):
    said = "iadb: empty already exists; name another folder with --output\n"
    assert evaluate("other", output="empty") == (2, said)


def test_results_that_another_evaluation_was_faster_than_get_a_number(tmp_path):
    for number, name in ((1, "out"), (2, "out-2"), (3, "out-3")):
        partial = tmp_path / f"out.partial-{number}"
        partial.mkdir()
        (partial / "metrics.json").write_text(str(number))
        assert _publish(partial, tmp_path / "out") == tmp_path / name
        assert (tmp_path / name / "metrics.json").read_text() == str(number)
        assert not partial.exists()


@pytest.mark.parametrize("place", ["real/out", "other/out"])
def test_results_are_not_written_among_the_images(evaluate, place):
    folder = place.split("/")[0]
    said = (
        f"iadb: {place} is inside {folder}, which is compared; name a folder outside with "
        "--output\n"
    )
    assert evaluate("other", output=place) == (2, said)


def test_an_output_folder_that_is_a_pattern_is_reported(evaluate):
    code, said = evaluate("other", output="o[u]t")
    assert code == 2
    assert said == (
        "iadb: o[u]t: * ? [ \\ in a path are read as a pattern; name another folder with --output\n"
    )


def test_an_output_folder_that_cannot_be_created_is_reported(evaluate):
    said = "iadb: no/out cannot be created: No such file or directory\n"
    assert evaluate("other", output="no/out") == (2, said)


def test_a_wrong_setting_is_reported_before_anything_else(evaluate):
    code, said = evaluate("nothing", "--set", "evaluate.sample=3")
    assert (code, said) == (2, "iadb: evaluate.sample: unknown key; did you mean samples?\n")


def test_a_configuration_with_spans_is_rejected_with_what_to_add(evaluate):
    spans = ("--set", "data.pattern=span-{SPAN}", "--set", "data.window=0", "--set", "data.span=5")
    code, said = evaluate("other", *spans)
    added = "--set 'data.pattern=\"\"' --set data.span=null --set data.window=1"
    assert (code, said) == (
        2,
        "iadb: data.pattern: got 'span-{SPAN}'; `iadb evaluate` reads all images in a folder, "
        f"whatever their span: name the folder of one, and add {added}\n",
    )
    code, said = evaluate("nothing", *spans, *shlex.split(added))
    assert said.startswith("iadb: nothing: no such folder")


def test_of_wrong_images_the_log_that_names_them_all_is_kept(folders):
    for i in range(4):
        (folders / "other" / f"bad{i}.png").write_bytes(b"no image")
    out = folders / "out"
    where = ("--real", folders / "real", "-o", out)
    result = iadb("evaluate", folders / "other", *where, "--set", "data.resolution=8")
    assert result.exit_code == 3, result.output
    assert "the log lists all of them" in result.output
    assert "iadb: " + str(folders / "other") + ": 4 of 24 files rejected" in result.output
    assert f"Log      {out}.failed.log\n" in result.output
    log = (folders / "out.failed.log").read_text("utf-8")
    assert all(f"bad{i}.png" in log for i in range(4))
    assert sorted(os.listdir(folders)) == ["empty", "other", "out.failed.log", "real"]


def test_images_that_turn_out_to_be_too_few_are_reported_before_features_are_computed(folders):
    for i in range(3):
        (folders / "other" / f"bad{i}.png").write_bytes(b"no image")
    where = ("--real", folders / "real", "--train", folders / "real2", "-o", folders / "out")
    write_images(folders / "real2", first=60)
    settings = ("data.resolution=8", "data.max_rejected=1", "evaluate.min_samples=21")
    write_images(folders / "real" / "more", first=90)
    result = iadb("evaluate", folders / "other", *where, *(f"--set={each}" for each in settings))
    assert result.exit_code == 3
    assert result.output.splitlines()[-1].startswith(
        f"iadb: {folders / 'other'}: 20 images cannot be judged: at least evaluate.min_samples=21 "
    )


@pytest.mark.slow
def test_detail_that_small_samples_cannot_have_is_said_not_to_be_judged(folders):
    for folder, side in (("real", 32), ("other", 8)):
        for i, path in enumerate(sorted((folders / folder).iterdir())):
            noise = np.random.default_rng(i).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(noise).resize((side, side)).save(path)
    write_images(folders / "train", first=90)
    for path in (folders / "train").iterdir():
        Image.open(path).resize((32, 32)).save(path)
    where = ("--real", folders / "real", "--train", folders / "train", "-o", folders / "out")
    settings = ("evaluate.features=pixels", "evaluate.bless=always")
    sets = [part for each in settings for part in ("--set", each)]
    result = iadb("evaluate", folders / "other", *where, *sets)
    assert result.exit_code == 0, result.output
    said = (
        f"{folders / 'other'}: pictures of 8x8, the real ones of 32x32: all are compared at 8x8, "
        "and missing detail is not judged; --set data.resolution=32 --set data.min_size=8 judges it"
    )
    warnings = json.loads((folders / "out" / "metrics.json").read_text())["warnings"]
    assert said in warnings
    assert said in result.output
