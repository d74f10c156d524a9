"""Which files a model has drawn, by the mark in their pixels."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import iadb
from pipeline.cli import main
from tests.exported_models import write_sampler, write_translator
from trainer.common import exit_codes
from trainer.light.mark import Mark
from trainer.source.options import Source

MARK = Mark(key=7)
LABELS = ["cat", "dog"]
MODELS = {  # of networks that leave x0 as it is, up to a value of the label
    "gray": {"shape": (8, 8, 1)},
    "guided": {"shape": (8, 8, 1), "labels": LABELS, "guidance": 2.0},
    "rectangle in one step": {"shape": (6, 10, 3), "nb_step": 1},
    "few_allowed": {"shape": (8, 8, 1), "limits": {"nb_step": 16}},
}


def still_network(shape, labels=()):
    """A network whose paths are straight lines: x1 is x0, or x0 plus a value of the label."""
    inputs = [keras.Input(shape), keras.Input(())]
    difference = keras.layers.Rescaling(0.0)(inputs[0])
    if labels:
        inputs.append(keras.Input((), dtype="int64"))
        shift = keras.layers.Embedding(len(labels) + 1, 1, embeddings_initializer="ones")
        value = keras.layers.Reshape([1, 1, 1])(keras.layers.Rescaling(0.1)(shift(inputs[2])))
        difference = keras.layers.Add()([difference, value])
    return keras.Model(inputs, difference)


def write(folder, mark=MARK, **options):
    network = still_network(options["shape"], options.get("labels", ()))
    write_sampler(folder, network, mark=mark, **options)
    return iadb.load(folder)


@pytest.fixture(scope="module")
def gray(tmp_path_factory):
    return write(tmp_path_factory.mktemp("gray"), **MODELS["gray"])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow if name == "guided" else ()) for name in MODELS
    ],
)
def model(request, gray, tmp_path_factory):
    if request.param == "gray":
        return gray
    return write(tmp_path_factory.mktemp("model"), **MODELS[request.param])


@pytest.fixture(scope="module")
def unmarked(tmp_path_factory):
    return write(tmp_path_factory.mktemp("unmarked"), mark=None, shape=(8, 8, 1))


def find(*arguments):
    return CliRunner().invoke(main, ["find-mark", *map(str, arguments)])


def test_samples_have_the_mark_and_other_images_do_not(model):
    labels = {"label": model.labels[0]} if model.labels else {}
    p = model.find_mark(model.sample(100, **labels), **labels)
    assert np.mean(p <= 0.01) > 0.98
    others = np.random.default_rng(0).integers(0, 256, (500, *model.shape), np.uint8)
    assert np.mean(model.find_mark(others, **labels) <= 0.01) < 0.03


def test_without_the_option_noise_and_metadata_stay_as_they_were(gray, unmarked):
    assert gray.metadata["mark"] == {"key": 7, "lowest": 0.0, "highest": 2.0}
    assert "mark" not in unmarked.metadata
    assert np.abs(gray.noise(3) - unmarked.noise(3)).max() > 0.1
    assert np.mean(gray.find_mark(unmarked.sample(200)) <= 0.01) < 0.04


def test_the_noise_that_a_model_reports_is_that_of_its_samples(gray):
    difference = gray.transport(gray.noise(20)).astype(int) - gray.sample(20)
    assert np.abs(difference).max() <= 1


def test_a_way_between_two_samples_has_the_mark_too(gray):
    assert np.all(gray.find_mark(gray.interpolate(3, 5, 8)) <= 0.01)


def test_files_are_reported_one_a_line_also_enlarged_or_in_color(gray, unmarked, tmp_path):
    drawn = Image.fromarray(gray.sample(1, seed=1)[0, ..., 0])
    drawn.save(tmp_path / "drawn.png")
    drawn.resize((24, 24), Image.Resampling.BICUBIC).convert("RGB").save(tmp_path / "large.webp")
    Image.fromarray(unmarked.sample(1, seed=1)[0, ..., 0]).save(tmp_path / "other.png")
    files = [tmp_path / name for name in ("drawn.png", "large.webp", "other.png")]
    result = find(*files, "--model", gray.folder)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()[-3:]
    for file, line, found in zip(files, lines, ["mark", "mark", "no mark"], strict=True):
        assert line.startswith(f"{file}: {found} found, p = ")


def test_a_file_that_is_no_image_is_reported_after_the_others(gray, tmp_path):
    Image.fromarray(gray.sample(1)[0, ..., 0]).save(tmp_path / "drawn.png")
    (tmp_path / "text.png").write_text("text")
    result = find(tmp_path / "text.png", tmp_path / "drawn.png", "--model", gray.folder)
    assert result.exit_code == exit_codes.DATA
    assert f"{tmp_path}/drawn.png: mark found, p = " in result.output
    assert f"{tmp_path}/text.png: not an image" in result.output
    assert result.output.endswith("iadb: 1 file of 2 could not be read\n")


def test_the_mark_is_found_in_a_picture_of_one_sample_and_a_grid_is_told_as_one(gray, tmp_path):
    for name, count in (("one.png", 1), ("many.png", 4)):
        arguments = ["--model", gray.folder, "-o", tmp_path / name, "--count", count]
        assert CliRunner().invoke(main, ["sample", *map(str, arguments)]).exit_code == 0
    result = find(tmp_path / "one.png", tmp_path / "many.png", "--model", gray.folder)
    assert result.exit_code == 0
    one, many = result.stdout.splitlines()[-2:]
    assert one.startswith(f"{tmp_path}/one.png: mark found, p = ") and "grid" not in one
    assert many.startswith(f"{tmp_path}/many.png: no mark found, p = ")
    assert many.endswith("; if it is a grid, look at an image of its own")


def test_a_model_without_a_mark_is_reported_in_one_line_before_any_file(unmarked, tmp_path):
    (tmp_path / "empty.png").touch()
    result = find(tmp_path / "empty.png", "--model", unmarked.folder)
    assert result.exit_code == exit_codes.USAGE
    assert result.output.splitlines()[-1] == (
        f"iadb: {unmarked.folder} sets no mark in the pixels; `iadb run --set sample.mark=NUMBER` "
        "makes a model that does"
    )


def test_a_translator_has_no_mark_to_look_for(tmp_path):
    write_translator(tmp_path / "translator", Source(degrade="downscale 4"))
    Image.new("L", (8, 8)).save(tmp_path / "image.png")
    result = find(tmp_path / "image.png", "--model", tmp_path / "translator")
    assert result.exit_code == exit_codes.USAGE
    assert result.output.endswith("translates images, and sets no mark in their pixels\n")


def test_an_unknown_label_is_reported(gray, tmp_path):
    (tmp_path / "image.png").touch()
    result = find(tmp_path / "image.png", "--model", gray.folder, "--label", "cat")
    assert result.exit_code == exit_codes.USAGE
    assert "takes no label" in result.output
