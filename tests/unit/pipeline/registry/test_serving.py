import json
import shlex

import click
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from components.source_hash import PACKAGES
from pipeline.cli import main
from pipeline.registry import serve_check, serving
from tests.exported_models import write_sampler
from tests.small_network import build_unet
from trainer.common import xmp
from trainer.common.image_grid import image_grid
from trainer.limit_options import LimitOptions
from trainer.names import FINGERPRINT, METADATA
from trainer.options import ModelOptions
from trainer.serving.sampler import Sampler


def version(folder, name, complete=True):
    (folder / name).mkdir(parents=True)
    if complete:
        (folder / name / "saved_model.pb").write_bytes(b"")
    return folder / name


def test_the_newest_complete_version_is_the_latest(tmp_path):
    version(tmp_path, "9")
    newest = version(tmp_path, "10")
    version(tmp_path, "11", complete=False)
    version(tmp_path, "copy-of-12")
    assert serving.latest_model(tmp_path) == newest


def test_a_version_without_a_fingerprint_is_not_taken_for_the_model(tmp_path):
    model = version(tmp_path, "model")
    live = version(tmp_path / "serving", "1")
    assert serving.find_live(tmp_path / "serving", model) is None
    (model / FINGERPRINT).write_bytes(b"a")
    assert serving.find_live(tmp_path / "serving", model) is None
    (live / FINGERPRINT).write_bytes(b"a")
    assert serving.find_live(tmp_path / "serving", model) == live


@pytest.mark.parametrize("folder", ["missing", "."])
def test_without_a_version_the_error_says_what_makes_one(tmp_path, folder):
    with pytest.raises(serving.NoModelError, match="`iadb run` pushes one"):
        serving.latest_model(tmp_path / folder)


def train(workspace, execution):
    return version(workspace / "artifacts" / "Trainer" / "model" / execution, "Format-Serving")


def test_without_a_version_the_newest_trained_model_is_named(tmp_path):
    workspace = tmp_path / "it's"
    for execution in ("9", "10", "copy"):
        train(workspace, execution)
    with pytest.raises(serving.NoModelError) as error:
        serving.latest_model(workspace / "serving")
    commands = [shlex.split(each) for each in str(error.value).split("`")[1::2]]
    newest = workspace / "artifacts" / "Trainer" / "model" / "10" / "Format-Serving"
    assert commands == [
        ["iadb", "models", "--workspace", str(workspace)],
        ["iadb", "sample", "--model", str(newest), "--workspace", str(workspace)],
        ["iadb", "promote"],
    ]
    for _, name, *arguments in commands[:2]:
        main.commands[name].make_parser(click.Context(main)).parse_args(arguments)


def test_a_training_that_was_not_completed_is_no_model(tmp_path):
    (tmp_path / "artifacts" / "Trainer" / "model" / "9" / "Format-Serving").mkdir(parents=True)
    assert serving.newest_trained(tmp_path / "serving") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "9" * 5000, "[" * 100_000, "\udcff"])
def test_damaged_metadata_are_reported_in_one_line_with_their_file(tmp_path, content):
    file = tmp_path / METADATA
    file.parent.mkdir()
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(serving.NoModelError) as error:
        serving.read_metadata(tmp_path)
    assert str(error.value).startswith(f"{file} is damaged (")
    assert "\n" not in str(error.value)


def test_missing_metadata_are_reported_with_their_file(tmp_path):
    with pytest.raises(serving.NoModelError, match=r"^\S+iadb.json is missing; choose another v"):
        serving.read_metadata(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "nb_step: missing"),
        ('{"nb_step": 0}', "nb_step: got 0; input should be greater than or equal to 1"),
        ('{"nb_step": 4, "labels": "abc"}', "labels: got 'abc'; input should be a valid list"),
        ('{"nb_step": 4, "limits": [1]}', "limits: got [1]; input should be"),
        ('{"nb_step": 4, "source": "x"}', "source: got 'x'; input should be"),
        ('{"nb_step": 4, "mark": [1]}', "mark: got [1]; input should be"),
    ],
)
def test_the_command_names_the_field_that_is_damaged(tmp_path, content, reason):
    version(tmp_path, "model")
    file = tmp_path / "model" / METADATA
    file.parent.mkdir()
    file.write_text(content)
    result = CliRunner().invoke(main, ["sample", "--model", str(tmp_path / "model")])
    assert result.exit_code == 2
    assert result.output.startswith(f"iadb: {file} is damaged ({reason}")
    assert result.output.endswith(
        "; choose another version with --model, or make one live with `iadb promote`\n"
    )
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_is_written_as_png_whole_or_not_at_all(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 80, 80, channels), np.uint8)
    mark = xmp.packet("0123", "0")
    serving.write_grid(images, tmp_path / "grid.png", mark)
    with Image.open(tmp_path / "grid.png") as written:
        np.testing.assert_array_equal(np.array(written), image_grid(images).squeeze())
        assert written.info["xmp"] == mark.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


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
    (folder / serving.METADATA).parent.mkdir()
    (folder / serving.METADATA).write_text(json.dumps({"nb_step": 4}))
    return folder


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A model with limits."""
    folder = tmp_path_factory.mktemp("limited")
    limits = LimitOptions(images=16, nb_step=100, states=256)
    network = build_unet(
        ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4), (64, 64, 1)
    )
    Sampler(network, (64, 64, 1), "euler", 2, limits=limits).save(str(folder), {"nb_step": 2})
    return folder


def test_more_images_than_the_model_draws_at_once_are_drawn_in_parts(limited):
    images = serving.draw_samples(limited, range(20), 16)
    assert images.shape == (20, 64, 64, 1)
    last = serving.draw_samples(limited, range(17, 20), 16)
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
    ways = serving.draw_trajectories(walks, range(7, 10), batch_size=batch_size)
    assert ways.shape == (3, 5, 64, 64, 1)
    np.testing.assert_array_equal(ways[..., 0, 0, 0], np.add.outer([7, 8, 9], np.arange(5)))


def test_long_trajectories_lose_states_between_noise_and_image(walks):
    (way,) = serving.draw_trajectories(walks, range(1), 128)[..., 0, 0, 0]
    assert len(way) == serving.GIF_FRAMES
    assert (way[0], way[-1]) == (0, 128)
    assert set(np.diff(way)) == {2, 3}


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
    (folder / serving.METADATA).parent.mkdir()
    (folder / serving.METADATA).write_text(json.dumps({"nb_step": 1, "labels": ["ox", "cow"]}))
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
    with pytest.raises(serving.UnknownLabelError, match=r"^label 'x{78}…: unknown; there are ox"):
        serving.check_label(names, "x" * 10_000_000)


def test_a_misspelled_label_is_reported_with_the_closest_one(names, tmp_path):
    result = iadb_sample(names, tmp_path, "--label", "cows")
    assert result.output == "iadb: label 'cows': unknown; did you mean 'cow'?\n"


def test_a_label_for_an_unconditional_model_is_reported_in_one_line(walks, tmp_path):
    result = iadb_sample(walks, tmp_path, "--label", "ox")
    assert result.exit_code == 2
    assert result.output.startswith(f"iadb: {walks} takes no label; `iadb run --set model.cond")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_has_a_grid_a_state_and_holds_the_last(tmp_path, channels):
    levels = np.arange(0, 250, 50, np.uint8)
    trajectories = np.broadcast_to(levels[:, None, None, None], (4, 5, 64, 64, channels))
    serving.write_gif(trajectories, tmp_path / "way.gif", "made by a model")
    assert [path.name for path in tmp_path.iterdir()] == ["way.gif"]
    with Image.open(tmp_path / "way.gif") as gif:
        assert (gif.format, gif.n_frames, gif.info["loop"]) == ("GIF", 5, 0)
        assert gif.info["comment"] == b"made by a model"
        durations = []
        for state in range(5):
            gif.seek(state)
            durations.append(gif.info["duration"])
            frame = np.asarray(gif.convert("RGB"))
            expected = image_grid(trajectories[:, state])
            np.testing.assert_array_equal(frame, np.broadcast_to(expected, frame.shape))
    assert durations == [serving.FRAME_MS] * 4 + [serving.LAST_FRAME_MS]


def iadb_sample(model, folder, *args):
    files = ("-o", folder / "grid.png", "--gif", folder / "way.gif")
    return CliRunner().invoke(main, list(map(str, ("sample", "--model", model, *files, *args))))


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


def test_the_check_restates_the_names_of_the_project_that_it_may_not_import():
    assert serve_check.METADATA == METADATA
    assert serve_check.PROJECT == PACKAGES
