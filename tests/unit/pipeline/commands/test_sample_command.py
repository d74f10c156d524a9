import json
import os

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from components.atomic_pusher.versions import METADATA, SAVED_MODEL
from pipeline.cli import main
from pipeline.commands.shared_options import OutputFile
from tests.recorded import write_model
from trainer.common import exit_codes, xmp
from trainer.common.image_grid import grid_png
from trainer.source.options import Source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "grid.jpg"], "grid.jpg: only .png files are written"),
        (["--gif", "way.png"], "way.png: only .gif files are written"),
        (["--seed", 2**63], "is not in the range"),
        (["-o", ""], "'-o' / '--output': is empty; name a path, or leave it out"),
        (["-o", "/dev/null"], "/dev/null is neither a file nor a folder"),
        (["-o", "/dev/stdout"], "/dev/stdout is neither a file nor a folder"),
        (["-o", "same", "--gif", "same"], "is the file of the grid; name another one"),
    ],
)
def test_what_cannot_be_written_or_drawn_is_refused_at_once(arguments, message):
    result = CliRunner().invoke(main, ["sample", *map(str, arguments)])
    assert result.exit_code == exit_codes.USAGE
    assert message in result.output


@pytest.fixture
def translator(tmp_path):
    """Makes the folder of a model that translates, without what it computes."""

    def make(**source):
        (tmp_path / METADATA).parent.mkdir()
        about = {"nb_step": 4, "source": Source(degrade="gray", use="map", **source).model_dump()}
        (tmp_path / METADATA).write_text(json.dumps(about))
        (tmp_path / SAVED_MODEL).touch()
        return tmp_path

    return make


@pytest.mark.parametrize(("options", "label"), [([], None), (["--label="], "")])
def test_held_out_images_have_their_own_labels_or_with_an_empty_one_any(
    translator, monkeypatch, options, label
):
    given = {}

    def draw_rows(*arguments, **how):
        given.update(how)
        return np.zeros([2, 3, 8, 8, 3], np.uint8)

    monkeypatch.setattr("pipeline.translation.held_out.draw_rows", draw_rows)
    model = translator()
    grid = str(model / "grid.png")
    result = CliRunner().invoke(main, ["sample", f"--model={model}", "-o", grid, *options])
    assert result.exit_code == 0, result.output
    assert given["label"] == label


@pytest.mark.parametrize(("noise", "start"), [(0.5, ", from seed 7"), (0.0, "")])
def test_seeds_are_named_only_where_a_source_has_several_answers(
    translator, monkeypatch, noise, start
):
    model = translator(noise=noise)
    rows = np.zeros([2, 3, 8, 8, 3], np.uint8)
    monkeypatch.setattr("pipeline.translation.held_out.draw_rows", lambda *given, **how: rows)
    grid = model / "grid.png"
    result = CliRunner().invoke(main, ["sample", f"--model={model}", "--seed=7", "-o", str(grid)])
    assert result.exit_code == 0, result.output
    assert result.output == f"2 held-out sources translated by {model}{start}: {grid}\n"
    with Image.open(grid) as image:
        assert b"trainedAlgorithmicMedia" in image.info["xmp"]


@pytest.mark.parametrize(
    ("count", "drawn"), [(1, "1 sample of {}, seed 5"), (2, "2 samples of {}, seeds 5 to 6")]
)
def test_one_sample_has_one_seed(tmp_path, monkeypatch, count, drawn):
    monkeypatch.setattr(
        "pipeline.drawing.draw_samples",
        lambda model, seeds, *_, **how: np.zeros([len(seeds), 8, 8, 3], np.uint8),
    )
    model, grid = write_model(tmp_path / "model"), tmp_path / "grid.png"
    arguments = [f"--model={model}", "--seed=5", f"--count={count}", "-o", str(grid)]
    result = CliRunner().invoke(main, ["sample", *arguments])
    assert result.exit_code == 0, result.output
    assert result.output == f"{drawn.format(model)}: {grid}\n"


def test_one_source_is_translated(translator, monkeypatch):
    model, row = translator(), np.zeros([1, 3, 8, 8, 3], np.uint8)
    monkeypatch.setattr("pipeline.translation.held_out.draw_rows", lambda *given, **how: row)
    grid = model / "grid.png"
    result = CliRunner().invoke(main, ["sample", f"--model={model}", "-o", str(grid)])
    assert result.output == f"1 held-out source translated by {model}: {grid}\n"


def test_pictures_of_others_are_not_replaced(tmp_path):
    workspace = tmp_path / "workspace"
    for name in ("mine.png", "mine.gif"):
        Image.new("L", (9, 9)).save(tmp_path / name)
        option = "-o" if name.endswith("png") else "--gif"
        result = CliRunner().invoke(
            main, ["sample", option, str(tmp_path / name), "--workspace", str(workspace)]
        )
        assert result.exit_code == exit_codes.USAGE
        assert f"{name} does not say that a model made it; name another file" in result.output
    assert Image.open(tmp_path / "mine.png").size == (9, 9)


@pytest.mark.parametrize("step", [xmp.TRAINING, xmp.EVALUATION])
def test_a_picture_of_a_training_or_an_evaluation_is_not_replaced(tmp_path, step):
    latest = tmp_path / "latest.png"
    latest.write_bytes(grid_png(np.zeros((4, 8, 8, 1), np.uint8), mark=xmp.packet("0123", step)))
    before = latest.read_bytes()
    result = CliRunner().invoke(main, ["sample", "-o", str(latest), f"--workspace={tmp_path}"])
    assert result.exit_code == exit_codes.USAGE
    assert "latest.png was written by a training or an evaluation; name another" in result.output
    assert latest.read_bytes() == before


def test_a_picture_that_a_model_made_is_replaced_and_a_link_to_it_stays(tmp_path, monkeypatch):
    generated, link = tmp_path / "generated.png", tmp_path / "link.png"
    mark = xmp.packet("0123")
    generated.write_bytes(grid_png(np.zeros((4, 8, 8, 1), np.uint8), mark=mark))
    link.symlink_to(generated)
    assert OutputFile(".png").convert(str(generated), None, None) == generated
    assert OutputFile(".png").convert(str(link), None, None) == generated
    monkeypatch.setenv("HOME", str(tmp_path))
    assert OutputFile(".png").convert("~/link.png", None, None) == generated
    monkeypatch.setattr(os, "access", lambda path, mode: path != generated)
    with pytest.raises(click.BadParameter, match=r"generated\.png cannot be written"):
        OutputFile(".png").convert(str(generated), None, None)
