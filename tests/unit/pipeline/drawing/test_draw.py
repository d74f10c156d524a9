"""Samples and trajectories of a model, from Python and by `iadb sample`."""

import json

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.drawing import MAX_STATES, draw_samples, draw_trajectories
from pipeline.registry.serving import read_model
from tests.exported_models import write_sampler
from tests.small_network import build_unet
from tests.unit.pipeline.drawing.sample_command import iadb_sample
from trainer.names import METADATA
from trainer.ode.options import LimitOptions
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions
from trainer.serving.sampler import Sampler
from trainer.serving.stored_model import ModelArgumentError


class Walks(tf.Module):
    """A model whose image of a seed gets one gray level brighter at each step."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int32)])
    def trajectory(self, seed, nb_step):
        levels = tf.cast(seed, tf.int32)[:, None] + tf.range(nb_step + 1)
        images = tf.tile(levels[:, :, None, None, None], [1, 1, 64, 64, 1])
        return {"trajectory": tf.cast(images, tf.uint8)}


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """The model, whose default is 4 steps."""
    folder = tmp_path_factory.mktemp("walks")
    module = Walks()
    tf.saved_model.save(module, str(folder), signatures={"trajectory": module.trajectory})
    (folder / METADATA).parent.mkdir()
    (folder / METADATA).write_text(json.dumps({"nb_step": 4}))
    return folder


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A model with limits."""
    folder = tmp_path_factory.mktemp("limited")
    limits = LimitOptions(images=16, nb_step=100, states=256)
    network = build_unet(
        ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4), (64, 64, 1)
    )
    sampling = Sampling("euler", nb_step=2)
    Sampler(network, (64, 64, 1), sampling, limits=limits).save(str(folder), {"nb_step": 2})
    return folder


def test_more_images_than_the_model_draws_at_once_are_drawn_in_parts(limited):
    images = draw_samples(read_model(limited), range(20), 16)
    assert images.shape == (20, 64, 64, 1)
    last = draw_samples(read_model(limited), range(17, 20), 16)
    np.testing.assert_allclose(images[17:].astype(int), last, atol=1)  # rounded in other batches


def test_more_steps_than_the_model_accepts_are_reported_in_one_line(limited, tmp_path):
    result = iadb_sample(limited, tmp_path, "--count", 3, "--steps", 101)
    assert result.exit_code == 2
    assert result.output == (
        f"iadb: 101 solver steps: {limited} takes at most 100 (sample.limits of its "
        "configuration)\n"
    )


@pytest.mark.parametrize("batch_size", [2, 16])
def test_trajectories_lead_from_noise_to_image_seed_by_seed(walks, batch_size):
    ways = draw_trajectories(read_model(walks), range(7, 10), batch_size=batch_size)
    assert ways.shape == (3, 5, 64, 64, 1)
    np.testing.assert_array_equal(ways[..., 0, 0, 0], np.add.outer([7, 8, 9], np.arange(5)))


def test_long_trajectories_lose_states_between_noise_and_image(walks):
    (way,) = draw_trajectories(read_model(walks), range(1), 128)[..., 0, 0, 0]
    assert len(way) == MAX_STATES
    assert (way[0], way[-1]) == (0, 128)
    assert set(np.diff(way)) == {2, 3}


def test_all_states_of_large_images_are_drawn_in_smaller_batches(tmp_path):
    (tmp_path / METADATA).parent.mkdir()
    (tmp_path / METADATA).write_text(json.dumps({"nb_step": 99, "shape": [256, 256, 3]}))
    drawn = []

    def draw(seeds, nb_step, labels):
        drawn.append(len(seeds))
        return np.zeros((len(seeds), nb_step + 1, 1, 1, 1), np.uint8)

    model = read_model(tmp_path)
    model.drawing = lambda *_: draw
    assert len(draw_trajectories(model, range(7))) == 7
    assert drawn == [3, 3, 1]


class Names(tf.Module):
    """A conditional model: the brightness of an image is the length of its label."""

    SEED, STEPS = tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int32)
    LABEL = tf.TensorSpec([None], tf.string)

    @tf.function(input_signature=[SEED, STEPS, LABEL])
    def generate(self, seed, nb_step, label):
        return {"image": self.trajectory(seed, nb_step, label)["trajectory"][:, -1]}

    @tf.function(input_signature=[SEED, STEPS, LABEL])
    def trajectory(self, seed, nb_step, label):
        lengths = tf.cast(tf.strings.length(label), tf.uint8) + tf.cast(0 * seed, tf.uint8)
        return {
            "trajectory": tf.tile(lengths[:, None, None, None, None], [1, nb_step + 1, 64, 64, 1])
        }


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    module = Names()
    signatures = {"generate": module.generate, "trajectory": module.trajectory}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    (folder / METADATA).parent.mkdir()
    (folder / METADATA).write_text(json.dumps({"nb_step": 1, "labels": ["ox", "cow"]}))
    return folder


@pytest.mark.parametrize("gif", [False, True])
@pytest.mark.parametrize("label", ["ox", "cow"])
def test_all_images_of_a_sample_have_the_label_that_is_asked_for(names, tmp_path, label, gif):
    arguments = ["--model", names, "-o", tmp_path / "grid.png", "--count", 300 if not gif else 3]
    arguments += ["--label", label]
    arguments += ["--gif", tmp_path / "way.gif"] if gif else []
    result = CliRunner().invoke(main, ["sample", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid[4, 4] == grid[4, -5] == len(label)


@pytest.mark.parametrize("gif", [False, True])
def test_without_a_label_each_column_has_a_class(names, tmp_path, gif):
    files = ["-o", tmp_path / "grid.png", *(["--gif", tmp_path / "way.gif"] if gif else [])]
    arguments = ["sample", "--model", names, "--seed", 3, "--count", 16, *files]
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    first, second = result.output.splitlines()
    assert first.startswith("16 samples of ")
    assert second == "classes, in columns, in turn: cow, ox"
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid[4::68, 4::68].tolist() == [[3, 2, 3, 2]] * 4


def test_a_single_image_and_one_of_any_class_name_no_classes(names, tmp_path):
    assert "in turn" not in iadb_sample(names, tmp_path, "--count", 1).output
    result = iadb_sample(names, tmp_path, "--count", 4, "--label", "")
    assert result.exit_code == 0 and "in turn" not in result.output
    assert np.asarray(Image.open(tmp_path / "grid.png"))[4, 4] == 0


def test_a_student_is_not_asked_for_other_steps_than_its_own(tmp_path):
    write_sampler(tmp_path / "student", shape=(8, 8, 1), fixed_steps=True, nb_step=2)
    refused = iadb_sample(tmp_path / "student", tmp_path, "--count", 3, "--steps", 3)
    assert refused.exit_code == 2
    assert refused.output == (
        f"iadb: {tmp_path / 'student'} is a student of 2 solver steps, and takes no other number "
        "of them\n"
    )
    drawn = iadb_sample(tmp_path / "student", tmp_path, "--count", 3, "--steps", 2)
    assert drawn.exit_code == 0, drawn.output


def test_an_unknown_label_is_reported_with_the_known_ones(names, tmp_path):
    result = iadb_sample(names, tmp_path, "--label", "horse")
    assert result.exit_code == 2
    assert result.output == "iadb: label 'horse': unknown; there are ox, cow\n"


def test_of_a_very_long_label_the_beginning_is_reported(names, tmp_path):
    with pytest.raises(ModelArgumentError, match=r"^label 'x{78}…: unknown; there are ox"):
        read_model(names).known_label("x" * 10_000_000)


def test_a_label_is_known_however_its_accents_are_composed(tmp_path):
    labels = ["e\u0301te\u0301", "x"]  # as a folder of macOS is named
    (tmp_path / METADATA).parent.mkdir()
    (tmp_path / METADATA).write_text(json.dumps({"labels": labels}), "utf-8")
    assert read_model(tmp_path).known_label("\u00e9t\u00e9") == "e\u0301te\u0301"
    assert read_model(tmp_path).known_label("") == ""


@pytest.mark.parametrize("label", [3, 0, b"ox"])
def test_a_label_that_is_no_text_is_reported(names, label):
    with pytest.raises(
        ModelArgumentError, match=r"^label .*: expected the name of a class, as text"
    ):
        read_model(names).known_label(label)


def test_a_misspelled_label_is_reported_with_the_closest_one(names, tmp_path):
    result = iadb_sample(names, tmp_path, "--label", "cows")
    assert result.output == "iadb: label 'cows': unknown; did you mean 'cow'?\n"


def test_a_label_for_an_unconditional_model_is_reported_in_one_line(walks, tmp_path):
    result = iadb_sample(walks, tmp_path, "--label", "ox")
    assert result.exit_code == 2
    assert result.output.startswith(f"iadb: {walks} takes no label; `iadb run --set model.cond")
    assert len(result.output.splitlines()) == 1


def test_the_last_frame_is_the_grid_that_is_written_as_png(walks, tmp_path):
    result = iadb_sample(walks, tmp_path, "--count", 3, "--seed", 7, "--steps", 2)
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'grid.png'} and {tmp_path / 'way.gif'}" in result.output
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    with Image.open(tmp_path / "way.gif") as gif:
        assert gif.n_frames == 3
        gif.seek(2)
        np.testing.assert_array_equal(np.asarray(gif.convert("L")), grid)
    assert grid[4, 4] == 9


def test_a_gif_of_too_many_images_is_rejected(walks, tmp_path):
    result = iadb_sample(walks, tmp_path, "--count", 257)
    assert result.exit_code == 2
    assert "--gif shows at most 256 images" in result.output
    assert list(tmp_path.iterdir()) == []
