"""`iadb sample` where the network is beside the model: without TensorFlow, the same images."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import iadb
from pipeline.cli import main
from pipeline.drawing import draw_samples, draw_trajectories
from pipeline.registry.serving import read_model
from tests.exported_models import write_with_network
from tests.unit.pipeline.drawing.sample_command import iadb_sample
from trainer.names import NETWORK
from trainer.serving import stored_model

LABELS = ["ox", "cow"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_with_network(folder, shape=(8, 8, 3), labels=LABELS, limits={"images": 16})
    return folder


def test_the_program_draws_without_tensorflow(model, tmp_path):
    program = """import sys
sys.modules["tensorflow"] = None  # its import fails
from pipeline.cli import main
main(sys.argv[1:])"""
    files = ("-o", tmp_path / "grid.png", "--gif", tmp_path / "way.gif")
    arguments = map(str, ("sample", "--model", model, "--label", "cow", "--count", 20, *files))
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
    with Image.open(tmp_path / "way.gif") as gif:
        assert gif.n_frames == 4
        assert b"trainedAlgorithmicMedia" in gif.info["comment"]
    with Image.open(tmp_path / "grid.png") as grid:
        assert b"trainedAlgorithmicMedia" in grid.info["xmp"]


def test_both_ways_draw_the_same_images_within_one_gray_level(model, monkeypatch):
    for draw in (draw_samples, draw_trajectories):
        one = draw(read_model(model), range(5, 25), 4)
        with monkeypatch.context() as patch:
            patch.setattr(stored_model, "has_network", lambda folder: False)
            other = draw(read_model(model), range(5, 25), 4)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert np.abs(one.astype(int) - other).max() <= 1
        assert len(np.unique(one)) > 20


def sample(*args):
    return CliRunner().invoke(main, ["sample", *map(str, args)])


def test_a_folder_gets_a_marked_file_of_each_image_at_its_own_size(model, tmp_path):
    result = sample("--model", model, "--seeds", "9,3-4", "--label", "ox", "-o", f"{tmp_path}/new/")
    assert result.exit_code == 0, result.output
    seeds = [3, 4, 9]
    files = sorted((tmp_path / "new").iterdir())
    assert [int(file.stem) for file in files] == seeds
    for file, seed in zip(files, seeds, strict=True):
        expected = iadb.load(model).sample(1, seed=seed, label="ox")[0]
        with Image.open(file) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)
            assert b"trainedAlgorithmicMedia" in image.info["xmp"]


def test_a_folder_keeps_what_no_command_drew(model, tmp_path):
    picture = tmp_path / "000003.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    before = picture.read_bytes()
    result = sample("--model", model, "--seeds", "2-3", "-o", tmp_path)
    assert result.exit_code == 2
    assert str(picture) in result.output
    assert [*tmp_path.iterdir()] == [picture] and picture.read_bytes() == before
    picture.unlink()
    for _ in range(2):  # its own files are replaced
        assert sample("--model", model, "--seeds", "2-3", "-o", tmp_path).exit_code == 0
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("seeds", ["", "a", "3-", "5-4", "-1", "0-10000", "1,,2", "1" * 19])
def test_what_is_no_list_of_seeds_is_refused_before_anything_is_drawn(model, tmp_path, seeds):
    result = sample("--model", model, f"--seeds={seeds}", "-o", tmp_path / "x.png")
    assert result.exit_code == 2
    assert "--seeds" in result.output.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_seeds_are_given_in_one_way(model, tmp_path):
    result = sample("--model", model, "--seeds", 3, "--count", 2, "-o", tmp_path / "x.png")
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_damaged_network_is_reported_in_one_line_and_tensorflow_draws(model, tmp_path, content):
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / NETWORK).write_bytes(content)
    result = iadb_sample(folder, tmp_path, "--count", 3)
    assert result.exit_code == 0
    warning, line, _ = result.output.splitlines()
    assert warning == f"iadb: {folder / NETWORK} is damaged; TensorFlow draws the images"
    assert line.startswith(f"3 samples of {folder}")
    assert (tmp_path / "grid.png").is_file() and (tmp_path / "way.gif").is_file()


@pytest.mark.parametrize(
    "draw",
    [
        lambda model: draw_samples(read_model(model), range(2)),
        lambda model: draw_trajectories(read_model(model), range(2)),
        lambda model: iadb.load(model).sample(2),
        lambda model: iadb.load(model).trajectory(2),
    ],
)
def test_on_a_machine_with_a_gpu_tensorflow_draws(model, monkeypatch, draw):
    monkeypatch.setattr("trainer.light.gpus.find", lambda: "0")
    monkeypatch.setattr("trainer.light.gpus.has_libraries", lambda: True)
    monkeypatch.setattr(stored_model, "LightSampler", None)  # would fail
    assert len(draw(model)) == 2


def test_a_gpu_without_libraries_is_none(model, monkeypatch):
    monkeypatch.setattr("trainer.light.gpus.find", lambda: "0")
    monkeypatch.setattr("trainer.light.gpus.has_libraries", lambda: False)
    monkeypatch.setattr("tensorflow.saved_model.load", None)  # would fail
    assert len(draw_samples(read_model(model), range(2))) == 2


def test_the_command_leaves_the_choice_of_what_draws_to_the_machine(model, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.light.gpus.find", lambda: "0")
    monkeypatch.setattr("trainer.light.gpus.has_libraries", lambda: True)
    monkeypatch.setattr(stored_model, "LightSampler", None)
    assert iadb_sample(model, tmp_path, "--count", 1).exit_code == 0


def test_the_steps_that_a_model_accepts_are_limited_as_before(model, tmp_path):
    result = iadb_sample(model, tmp_path, "--steps", 1001)
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert "takes at most 1000 (sample.limits" in result.output
