"""Names of translated files; what can be wrong with them is found before a model is loaded."""

import errno
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from components.atomic_pusher.versions import METADATA, SAVED_MODEL
from pipeline.cli import main
from pipeline.registry.serving import read_model
from pipeline.translation.files import (
    TranslationError,
    UnreadableImageError,
    plan_outputs,
    translate_files,
)
from tests.pipeline.stand_ins import save_sampler
from trainer.common import exit_codes
from trainer.common.xmp import EVALUATION, packet, png_chunk
from trainer.ode.options import LimitOptions
from trainer.ode.transport import Sampling
from trainer.serving.sampler import Sampler
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


def test_a_picture_that_no_translation_has_made_is_not_replaced(tmp_path):
    (tmp_path / "a.jpg").touch()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(TranslationError, match=r"/a\.png is there already and does not say"):
        plan_outputs([tmp_path / "a.jpg"], tmp_path, 1)
    content = (tmp_path / "a.png").read_bytes()
    chunk = png_chunk(packet("", EVALUATION))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises(TranslationError, match="already and was written by a training or an"):
        plan_outputs([tmp_path / "a.jpg"], tmp_path, 1)
    (tmp_path / "a.png").write_bytes(content[:33] + png_chunk(packet("")) + content[33:])
    plan_outputs([tmp_path / "a.jpg"], tmp_path, 1)


def test_a_file_is_never_replaced_by_its_translation(tmp_path):
    file = tmp_path / "x.png"
    with pytest.raises(TranslationError, match="would be replaced by a translation"):
        plan_outputs([file], tmp_path / "." / "", 1)


@pytest.mark.parametrize(("name", "reason"), [("loop", "File exists"), ("loop/new", "Too many")])
def test_a_folder_that_is_a_link_to_itself_is_reported_in_one_line(tmp_path, name, reason):
    write_about(tmp_path / "model", Source(degrade="gray"))
    (tmp_path / "loop").symlink_to("loop")
    file = write_picture(tmp_path / "x.png")
    arguments = ["translate", str(file), f"--model={tmp_path}/model", "-o", f"{tmp_path}/{name}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith(f"iadb: {tmp_path}/{name} cannot be created: {reason}")
    assert result.output.count("\n") == 1


def test_a_model_that_draws_from_noise_is_reported(tmp_path):
    save_sampler(tmp_path / "model")
    (tmp_path / "x.png").write_bytes(b"x")
    result = CliRunner().invoke(
        main,
        ["translate", f"{tmp_path}/x.png", f"--model={tmp_path}/model", "-o", f"{tmp_path}/out"],
    )
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        f"iadb: {tmp_path}/model draws images from noise and translates none; train a model with "
        "data.source or data.degrade, for example --set 'data.degrade=downscale 4'"
    )
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_reported_before_tensorflow_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.serving.stored_model.load_saved_model", None)  # would fail
    write_about(tmp_path / "model", Source(degrade="gray"))
    file = write_picture(tmp_path / "x.png")
    arguments = ["translate", str(file), f"--model={tmp_path}/model", "-o", f"{file}/new"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == exit_codes.USAGE
    assert result.output == f"iadb: {file}/new cannot be created: Not a directory\n"

    def full(self, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "mkdir", full)
    result = CliRunner().invoke(main, [*arguments[:-1], f"{tmp_path}/new"])
    assert result.exit_code == exit_codes.WORKSPACE
    assert result.output == f"iadb: the disk is full: {tmp_path}/new; free some space\n"


STEPS = 100


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that takes 16 images, or where a request sets the steps, two in STEPS of them."""
    folder = tmp_path_factory.mktemp("model")
    source, limits = Source(degrade="blur 1"), LimitOptions(images=16, states=256)
    x = keras.Input((8, 8, 2))
    network = keras.Model([x, keras.Input(())], 0.0 * x[..., :1])
    translator = Sampler(
        network, (8, 8, 1), Sampling("euler", nb_step=STEPS), limits=limits, source=source
    )
    translator.save(
        str(folder), {"nb_step": STEPS, "shape": (8, 8, 1), "source": source.model_dump()}
    )
    return read_model(folder)


def test_answers_in_several_requests_are_those_of_one(model, tmp_path, monkeypatch):
    file = write_picture(tmp_path / "x.png")
    translate_files(model, plan_outputs([file], tmp_path / "one", 3), 5, "", pytest.fail)
    monkeypatch.setattr("pipeline.translation.files.REQUEST_BYTES", 1)
    translate_files(model, plan_outputs([file], tmp_path / "three", 3), 5, "", pytest.fail)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "three" / path.name).read_bytes()


def test_answers_are_limited_by_the_images_of_a_request_alone(model, tmp_path):
    file = write_picture(tmp_path / "x.png")
    assert translate_files(model, plan_outputs([file], tmp_path, 3), 0, "", pytest.fail) == 1
    assert len(list(tmp_path.glob("x-*.png"))) == 3
    with pytest.raises(TranslationError, match=r"at most 16 in one request \(sample.limits.images"):
        translate_files(model, plan_outputs([file], tmp_path, 17), 0, "", pytest.fail)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--answers", "2"], "--answers"),
        (["--seed", "0"], "--seed"),
        (["--seed", "7", "--answers", "2"], "--answers and --seed"),
    ],
)
def test_a_model_of_one_answer_takes_neither_seed_nor_answers_and_is_not_loaded_for_that(
    tmp_path, monkeypatch, given, options
):
    monkeypatch.setattr("trainer.serving.stored_model.load_saved_model", None)  # would fail
    write_about(tmp_path / "model", Source(degrade="gray", use="map"))
    arguments = [f"{write_picture(tmp_path / 'x.png')}", f"--model={tmp_path}/model"]
    result = CliRunner().invoke(main, ["translate", *arguments, "-o", f"{tmp_path}/out", *given])
    assert result.exit_code == exit_codes.USAGE
    assert result.output == (
        f"iadb: {options}: this model maps a source to one answer (model.source=map)\n"
    )


def test_a_file_that_cannot_be_read_or_written_does_not_keep_the_others_from_it(model, tmp_path):
    names = ("missing.png", "folder.png", f"{'x' * 250}.tiff", f"{'y' * 251}.png")
    files = [tmp_path / name for name in names]
    for file in files[1:]:
        write_picture(file)
    out = tmp_path / "out"
    (out / "folder.png").mkdir(parents=True)
    lines = []
    with pytest.raises(UnreadableImageError, match=r"^2 files of 4 .*; the others were$"):
        translate_files(model, plan_outputs(files, out, 1), 0, "", lines.append)
    assert lines[:2] == [
        f"{files[0]}: No such file or directory",
        f"{files[1]}: cannot write folder.png: Is a directory",
    ]
    written = sorted(path.name for path in out.iterdir())
    assert written == ["folder.png", f"{'x' * 250}.png", f"{'y' * 251}.png"]


def test_a_name_that_is_too_long_with_its_number_is_reported(model, tmp_path):
    file, lines = write_picture(tmp_path / f"{'x' * 250}.png"), []
    with pytest.raises(UnreadableImageError):
        translate_files(model, plan_outputs([file], tmp_path, 2), 0, "", lines.append)
    assert lines[0].endswith(": File name too long")
    assert list(tmp_path.iterdir()) == [file]


def test_files_in_all_formats_of_ingest_are_translated(model, tmp_path):
    names = ("a.webp", "b.tiff", "c.bmp", "d.gif", "e.png", "f.jpg")
    files = [write_picture(tmp_path / name) for name in names]
    out = tmp_path / "out"
    assert translate_files(model, plan_outputs(files, out, 1), 0, "", pytest.fail) == len(names)


def test_the_reason_of_each_bad_file_reaches_the_terminal(model, tmp_path, monkeypatch, capfd):
    file = tmp_path / "x.png"
    file.write_bytes(b"x")
    # Logs are redirected by their file descriptor, which the stream of pytest does not use.
    with open(2, "w", closefd=False) as stderr, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        with pytest.raises(SystemExit) as stop:
            main(["translate", str(file), f"--model={model}", "-o", f"{tmp_path}/out"])
    assert stop.value.code == 3
    assert capfd.readouterr().err.splitlines()[-2:] == [
        f"{file}: not an image",
        "iadb: 1 file of 1 could not be translated",
    ]


def write_about(folder, source):
    """Writes the metadata of a model that translates, and no model."""
    about = {"source": source.model_dump(), "shape": (8, 8, 3), "nb_step": 3, "limits": {}}
    (folder / METADATA).parent.mkdir(parents=True)
    (folder / SAVED_MODEL).touch()
    (folder / METADATA).write_text(json.dumps(about))


def write_picture(path):
    Image.fromarray(np.zeros([8, 8], np.uint8)).save(path)
    return path
