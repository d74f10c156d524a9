"""The configuration that `iadb init` writes for a folder of images."""

import os
import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.choosing import timing
from pipeline.choosing.chosen import configure
from pipeline.choosing.timing import Timings
from pipeline.cli import main
from pipeline.config.pipeline_config import load
from pipeline.config.yaml_text import quote
from tests import small_network

TIMINGS = Timings(10.0, 0.1, 1.0, 0.001)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i in range(300):
        noise = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{i:04}.png")
    return folder


@pytest.fixture
def folder(images, tmp_path, monkeypatch):
    """A folder of images, beside which the command runs."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(images, tmp_path / "my ☃\nimages", copy_function=os.link)


@pytest.fixture
def timed(monkeypatch):
    """Every training step takes a tenth of a second."""
    monkeypatch.setattr(timing, "time_training", lambda config: TIMINGS)


def init(*arguments):
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


def test_the_file_has_what_a_run_without_configuration_would_choose(folder, timed):
    result = init(folder, "-o", "mine.yaml")
    assert result.exit_code == 0, result.output
    chosen = configure([f"data.folder={quote(str(folder))}"]).config
    assert load(file=folder.parent / "mine.yaml") == chosen
    assert "300 color pictures of 16x16" in result.output
    assert "next: iadb run --config mine.yaml" in result.output


def test_sources_are_described_beside_the_images_and_the_choice_is_printed_once(folder, timed):
    sources = shutil.copytree(folder, folder.parent / "sources", copy_function=os.link)
    result = init(folder, "--set", f"data.source={quote(str(sources))}")
    assert result.exit_code == 0, result.output
    assert result.output.count("chosen for them: ") == 1
    seen = f"{sources}: 300 color pictures of 16x16"
    assert seen in result.output.splitlines()
    assert f"# {seen}" in (folder.parent / "iadb.yaml").read_text().splitlines()


def test_the_folder_is_read_as_that_of_a_run(folder, timed, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    init(f"~/{folder.name}", "-o", "home.yaml")
    init(folder.name, "-o", "relative.yaml")
    for name in ("home.yaml", "relative.yaml"):
        assert load(file=folder.parent / name).data.folder == str(folder)


def test_the_next_command_can_be_copied(folder, timed):
    output = init(folder, "-o", "my file.yaml").output
    *_, command = output.splitlines()
    assert shlex.split(command) == ["next:", "iadb", "run", "--config", "my file.yaml"]


def test_the_next_command_works_in_the_folder_itself(folder, timed, monkeypatch):
    monkeypatch.chdir(folder)
    *_, command = init(".", "-o", "mine.yaml").output.splitlines()
    workspace = str(folder.with_name("workspace"))
    expected = ["iadb", "run", "--config", "mine.yaml", "--workspace", workspace]
    assert shlex.split(command) == ["next:", *expected]


def test_each_key_has_a_comment_and_the_rest_is_left_out(folder, timed):
    init(folder)
    lines = (folder.parent / "iadb.yaml").read_text().splitlines()
    keys = [i for i, line in enumerate(lines) if ":" in line and not line.lstrip().startswith("#")]
    assert all(lines[i - 1].lstrip().startswith("# ") for i in keys)
    written = {lines[i].split(":")[0].strip() for i in keys}
    assert {"resolution", "channels", "steps", "flip", "augment", "autoguidance"} < written
    assert not written & {"kubeflow", "solver", "seed"}


def test_the_training_takes_the_hours_that_are_given(folder, timed):
    result = init(folder, "--hours", 0.05, "--set", "train.batch_size=16")
    config = load(file=folder.parent / "iadb.yaml")
    seconds = timing.training_seconds(config, TIMINGS, config.train.steps)
    assert 0.9 * 180 < seconds <= 180
    assert f"{config.train.steps:,} steps of 16 images take about 2 min " in result.output
    assert f"train.steps={config.train.steps}," in result.output  # among what is chosen
    assert "--hours" not in result.output


@pytest.mark.parametrize(
    ("count", "arguments", "steps"),
    [
        (300, ("--set", "train.batch_size=32"), 400 * 150 // 32),
        (300, ("--set", "train.batch_size=8"), 400 * 150 // 8),
        (300, (), 400 * 150 // 32),
        (4, (), 1000),
    ],
)
def test_more_hours_than_a_small_folder_needs_are_not_used(folder, timed, count, arguments, steps):
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()
    result = init(folder, "--hours", 8, *arguments)
    file = folder.parent / "iadb.yaml"
    assert load(file=file).train.steps == steps
    line = f" steps; {steps:,} are enough for {count // 2} images to train on"
    assert line in result.output and line in file.read_text()


@pytest.mark.parametrize(("batch_size", "flip"), [(64, True), (4, False)])
def test_images_are_augmented_if_the_hours_allow_many_passes(folder, timed, batch_size, flip):
    arguments = ("--hours", 0.045, "--set", f"train.batch_size={batch_size}")
    init(folder, *arguments)
    train = load(file=folder.parent / "iadb.yaml").train
    assert (train.flip, bool(train.augment)) == (flip, flip)
    init(folder, *arguments, "--set", "train.augment=0.3", "--force")
    assert load(file=folder.parent / "iadb.yaml").train.augment == 0.3
    for override in (f"train.flip={not flip}", f"train={{flip: {not flip}}}"):
        init(folder, *arguments, "--set", override, "--force")
        assert load(file=folder.parent / "iadb.yaml").train.flip != flip


def test_images_that_are_too_few_for_a_verdict_are_said_to_be(folder, timed):
    for path in sorted(folder.iterdir())[45:]:
        path.unlink()
    result = init(folder)
    assert "(evaluate.min_samples): here are about 23 and 22" in result.output
    assert result.exit_code == 0


def test_hours_that_are_too_short_write_nothing(folder, timed):
    result = init(folder, "--hours", 0.001)
    assert result.exit_code == 2
    assert "--hours 0.001 allow 0 training steps; give at least 0.01 for 100" in result.output
    assert not (folder.parent / "iadb.yaml").exists()


def test_the_hours_that_an_error_names_are_enough(folder, monkeypatch):
    slow = replace(TIMINGS, step=0.5)
    monkeypatch.setattr(timing, "time_training", lambda config: slow)
    result = init(folder, "--hours", 0.001)
    least = re.search(r"give at least (\S+) for 100", result.output)[1]
    assert init(folder, "--hours", least).exit_code == 0
    assert load(file=folder.parent / "iadb.yaml").train.steps >= 100


def test_what_is_set_is_kept(folder, timed):
    init(folder, "--set", "data.resolution=8", "--set", "model.dropout=0.1")
    config = load(file=folder.parent / "iadb.yaml")
    assert (config.data.resolution, config.model.dropout) == ((8, 8), 0.1)


def test_a_file_that_is_there_is_replaced_by_force_alone(folder, timed):
    file = folder.parent / "iadb.yaml"
    file.write_text("mine")
    result = init(folder)
    assert (result.exit_code, file.read_text()) == (2, "mine")
    assert "iadb.yaml exists: choose another --output, or use --force" in result.output
    assert init(folder, "--force").exit_code == 0
    assert load(file=file).data.resolution == (16, 16)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["missing"], 3, "missing"),
        ([""], 2, "data.folder: got ''"),
        (["."], 3, "no image files below this folder"),
        (["IMAGES", "--set", "train.stepz=1"], 2, "train.stepz: unknown key"),
        (["IMAGES", "--hours", "1", "--set", "train.steps=9"], 2, "--hours sets train.steps"),
        (["IMAGES", "--hours", "1", "--set", "train={steps: 9}"], 2, "--hours sets train.steps"),
        (["IMAGES", "--set", "data.folder=/x"], 2, "FOLDER sets data.folder: leave out --set"),
        (["IMAGES", "--set", "data={folder: /x}"], 2, "FOLDER sets data.folder: leave out --set"),
        (["s3://"], 2, "data.folder: got 's3://'; no bucket; expected s3://bucket/folder"),
        (
            ["IMAGES", "--hours", "0.01", "--set", "train.warmup_steps=500"],
            2,
            "--hours 0.01: train: warmup_steps=500 must be below steps=",
        ),
        (["IMAGES", "--hours", "nan"], 2, "nan is not a finite number"),
        (["IMAGES", "--hours", "inf"], 2, "'--hours': inf is not in the range"),
        (["IMAGES", "-o", "no/such/mine.yaml"], 2, "no folder no/such"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder, timed, arguments, code, error):
    (folder.parent / "empty").mkdir()
    places = {"IMAGES": str(folder), ".": "empty"}
    result = init(*(places.get(each, each) for each in arguments))
    assert (result.exit_code, error in result.output) == (code, True), result.output


@pytest.mark.slow
def test_a_step_is_timed(folder, monkeypatch):
    monkeypatch.setattr(timing, "STEP_SECONDS", 0.0)
    monkeypatch.setattr("trainer.build.build_unet", small_network.build_unet)
    small = ["train.batch_size=8", "model.channels=[8]", "model.attention=[false]"]
    small += ["model.blocks=1", "model.norm_groups=4"]
    config = configure([f"data.folder={quote(str(folder))}", *small]).config
    timings = timing.time_training(config)
    assert timings.step > 0
    seconds = [timing.training_seconds(config, timings, steps) for steps in (1000, 1010)]
    assert seconds[1] - seconds[0] >= 10 * timings.step
