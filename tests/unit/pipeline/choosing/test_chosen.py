"""The configuration of a run that names none: chosen, kept, reused, and not trusted."""

import contextlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from components.image_example_gen.errors import ImageDataError
from pipeline.choosing import chosen as chosen_module
from pipeline.choosing.chosen import configure, configure_images
from pipeline.choosing.machine import Machine
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.config.yaml_text import quote
from pipeline.workspace import InUseError, Workspace, WorkspaceError

CPU = Machine(cores=2, gpus=0)


def fill(folder, count, side=16):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{i:04}.png")


def sort_into(place, *names):
    """Moves the images of a place into folders in turn, and forgets its choice."""
    for i, path in enumerate(sorted(place.images.iterdir())):
        folder = place.images / names[i % len(names)]
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    place.workspace.chosen.unlink(missing_ok=True)


class Place:
    """A folder of images and a workspace."""

    def __init__(self, folder):
        self.images = folder / "my ☃ 😀\nimages"
        self.workspace = Workspace(folder / "workspace")
        fill(self.images, 60)

    def run(self, *overrides, images=None):
        """The configuration of a run, and what it reports."""
        folder = f"data.folder={quote(str(images or self.images))}"
        choice = configure([*overrides, folder], self.workspace)
        assert not any("\n" in line for line in choice.lines)
        return choice.config, "\n".join(choice.lines)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """The machine is one of two cores without a GPU."""
    monkeypatch.setattr(chosen_module, "this_machine", lambda: CPU)


def test_a_choice_is_made_once_and_kept_while_the_folder_grows(place):
    first, said = place.run()
    assert (first.data.resolution, first.data.eval_percent) == ((16, 16), 50)
    assert "60 color pictures of 16x16\nchosen for them: data.resolution=16, " in said
    assert "to edit: iadb init " in said
    fill(place.images, 500, side=64)
    again, said = place.run()
    assert again == first
    assert "as chosen earlier, data.resolution=16, " in said
    assert f"kept in {place.workspace.chosen}; remove it to choose again" in said
    place.workspace.chosen.unlink()
    assert place.run()[0].data.resolution == (32, 32)


def test_colors_and_background_are_chosen_for_sources_as_well(place, tmp_path):
    sources = tmp_path / "sources"
    shutil.copytree(place.images, sources)
    for path in place.images.iterdir():
        Image.open(path).convert("L").save(path)
    paired = f"data.source={quote(str(sources))}"
    config, said = place.run(paired)
    assert config.data.channels == 3
    assert f"{sources}: 60 color pictures of 16x16\nchosen for them: " in said
    for path in sources.iterdir():
        icon = Image.new("RGBA", (16, 16))
        icon.paste((255, 255, 255, 255), (4, 4, 12, 12))
        icon.save(path)
    place.workspace.chosen.unlink()
    data = place.run(paired)[0].data
    assert (data.channels, data.background) == (1, "#000000")


def test_more_unreadable_files_than_a_run_allows_are_reported(place):
    stops = "a run stops if so many are rejected: data.max_rejected allows 10%"
    (place.images / "bad0.png").write_bytes(b"no image")
    assert stops not in place.run()[1]
    for i in range(1, 10):
        (place.images / f"bad{i}.png").write_bytes(b"no image")
    place.workspace.chosen.unlink()
    assert stops in place.run()[1].splitlines()


def test_too_few_images_for_a_run_are_reported(place):
    stops = "a run stops with fewer than 10 images to train on or 10 held out: here are about "
    for path in sorted(place.images.iterdir())[20:]:
        path.unlink()
    assert place.run()[1].endswith(f"\n{stops}10 and 10")
    assert stops not in place.run("validation.on_anomaly=warn")[1]
    fill(place.images, 30)
    assert stops not in place.run()[1]
    assert f"{stops}24 and 6" in place.run("data.eval_percent=20")[1].splitlines()


def test_images_that_may_be_too_few_for_a_verdict_are_reported_on_either_side(place):
    least = "no model is blessed with fewer than 20 images to train on or 20 held out "
    least += "(evaluate.min_samples): here are about "
    few = place.run("data.eval_percent=30")[1]
    assert f"{least}42 and 18; 100 pictures suffice" in few.splitlines()
    assert least not in place.run()[1]
    for path in sorted(place.images.iterdir())[45:]:
        path.unlink()
    place.workspace.chosen.unlink()
    assert f"{least}23 and 22; 60 pictures suffice" in place.run()[1].splitlines()
    assert place.workspace.chosen.exists()  # that is no reason to choose anew each time
    place.workspace.chosen.unlink()
    fill(place.images, 100)
    assert least not in place.run("data.eval_percent=30")[1]


def test_a_few_small_images_that_lower_the_resolution_are_named(tmp_path):
    place = Place(tmp_path)
    text = "some are as small as 9 pixels, and would be rejected at a higher data.resolution"
    fill(place.images, 60, side=128)
    assert text not in place.run()[1]
    for path in sorted(place.images.iterdir())[:5]:
        Image.new("RGB", (9, 9)).save(path)
    place.workspace.chosen.unlink()
    config, said = place.run()
    assert config.data.resolution == (16, 16)
    options = "--set data.resolution=32, with a larger data.max_rejected if they are more than 10%"
    assert f"{text}; to leave them out: {options}" in said.splitlines()


def test_small_images_that_lower_nothing_are_not_named(tmp_path):
    place = Place(tmp_path)
    fill(place.images, 60, side=128)
    for path in sorted(place.images.iterdir())[:3]:
        Image.new("RGB", (20, 20)).save(path)
    config, said = place.run()
    assert config.data.resolution == (32, 32)
    assert "some are as small as" not in said


def test_a_folder_is_the_same_however_it_is_spelled(place):
    place.run()
    again = place.images.parent / "other" / ".." / place.images.name
    assert "as chosen earlier" in place.run(images=again)[1]


def test_a_choice_for_images_that_a_run_would_reject_is_not_kept(place):
    for path in sorted(place.images.iterdir())[15:]:
        path.unlink()
    assert place.run()[1].endswith("here are about 8 and 7")
    assert not place.workspace.chosen.exists()
    fill(place.images, 20)
    small = place.run("data.resolution=64")[1].splitlines()
    assert (
        "100% of them are less than 32 wide or 32 high, and will be rejected: data.min_size, by "
        "default half of data.resolution"
    ) in small
    assert "a run stops if so many are rejected: data.max_rejected allows 10%" in small
    assert not place.workspace.chosen.exists()
    fill(place.images, 30)
    place.run()  # 15 are held out, by which nothing can be judged
    assert not place.workspace.chosen.exists()
    fill(place.images, 60)
    place.run()
    assert place.workspace.chosen.exists()


def test_a_run_says_how_to_draw_by_class_where_there_are_folders(place):
    text = "to draw images of one class, by the name of its folder: --set model.conditional=true"
    assert text not in place.run()[1]
    fill(place.images, 100)
    sort_into(place, "a", "b")
    fill(place.images, 20)  # of no class
    config, said = place.run()
    assert text in said.splitlines() and not config.model.conditional
    place.workspace.chosen.unlink()
    assert text not in place.run("model.conditional=true")[1]


def test_folders_of_a_few_images_each_are_not_offered_as_classes(place):
    sort_into(place, *(f"album {i:02}x" for i in range(60)))
    assert "model.conditional=true" not in place.run()[1]


def test_folders_that_are_no_classes_are_not_offered_as_such(place):
    sort_into(place, "2023", "2024")
    assert "model.conditional=true" not in place.run()[1]


@pytest.mark.parametrize(
    ("folders", "is_said"),
    [
        (("00000", "00001"), True),  # of traffic signs
        (("10", "20", "50"), True),  # of banknotes
        (("2023", "2024"), False),
        (("batch_1", "batch_2"), False),
    ],
)
def test_folders_with_numbers_for_names_may_be_classes(place, folders, is_said):
    text = "if the folders with numbers for names are classes: --set model.conditional=true"
    fill(place.images, 200)
    sort_into(place, *folders)
    config, said = place.run()
    assert (text in said.splitlines(), config.model.conditional) == (is_said, False)
    place.workspace.chosen.unlink()
    assert text not in place.run("model.conditional=true")[1]


def test_masks_among_the_images_are_named(place):
    sort_into(place, "images", "masks")
    said = place.run()[1]
    text = "images in masks are read like all others; to read one: --data "
    assert text in said and "images/images'" in said
    assert "model.conditional=true" not in said
    for path in (place.images / "images").iterdir():
        path.rename(place.images / path.name)  # beside the folder of masks
    place.workspace.chosen.unlink(missing_ok=True)
    assert "\nimages in masks are read like all others\n" in place.run()[1]


def test_classes_with_enough_images_are_drawn_and_said_and_can_be_left_out(place):
    text = "samples are drawn by class; without classes: --set model.conditional=false"
    fill(place.images, 100)
    sort_into(place, "cats", "dogs")
    config, said = place.run()
    assert config.model.conditional and text in said and ", model.conditional=true, " in said
    assert place.run()[0] == config
    config, said = place.run("model.conditional=false")
    assert not config.model.conditional and "; set: model.conditional=false" in said


def test_folders_of_a_few_images_that_become_classes_are_named(place):
    fill(place.images, 400)
    sort_into(place, "cats", "dogs")
    assert "near copies" not in place.run()[1]
    for i in range(5):
        fill(place.images / f"album {i}x", 2)
    place.workspace.chosen.unlink()
    config, said = place.run()
    assert config.model.conditional
    assert (
        "\n5 folders have fewer than 40 pictures, album 0x, album 1x, album 2x and 2 more: each "
        "becomes a class, whose samples may be near copies of these\n"
    ) in said
    assert "near copies" not in place.run("model.conditional=false")[1]


def test_small_classes_are_balanced_where_there_are_classes(place):
    fill(place.images, 100)
    assert place.run()[0].train.class_balance == 0
    assert place.run("model.conditional=true")[0].train.class_balance == 0.5
    sort_into(place, "cats", "dogs")
    config, said = place.run()
    assert config.train.class_balance == 0.5 and ", train.class_balance=0.5" in said
    assert place.run("model.conditional=false")[0].train.class_balance == 0
    assert place.run("train.class_balance=0.3")[0].train.class_balance == 0.3
    file = place.workspace.chosen
    file.write_text(file.read_text().replace("class_balance: 0.5", "class_balance: 0.2"))
    assert place.run()[0].train.class_balance == 0.2


def test_the_training_follows_a_resolution_that_is_set(place):
    fill(place.images, 400)
    small, _ = place.run()
    assert (small.data.resolution, small.train.steps, small.sample.solver) == (
        (16, 16),
        2500,
        "euler",
    )
    for _ in range(2):  # by the kept choice, then by a new one
        large, said = place.run("data.resolution=32")
        assert (large.train.ema.half_life, large.sample.solver) == (50_000, "midpoint")
        assert large.model.prediction == "gaussian" and large.sample.autoguidance == 2
        assert "train.ema.half_life=50000, " in said and '"midpoint"' in said
        tiny, said = place.run("data.resolution=8")
        assert (tiny.train.steps, tiny.train.batch_size) == (1000, 64)
        place.workspace.chosen.unlink()
    fill(place.images, 400, side=40)
    assert place.run()[0].sample.solver == "midpoint"
    assert place.run("data.resolution=16")[0] == small.model_copy(
        update={"data": small.data.model_copy(update={"folder": str(place.images)})}
    )


def test_a_run_at_another_resolution_holds_out_the_images_of_the_kept_choice(place):
    place.run()
    kept = place.workspace.chosen.read_text()
    fill(place.images, 500, side=64)
    config, said = place.run("data.resolution=32")
    assert (config.data.resolution, config.data.eval_percent) == ((32, 32), 50)
    assert "500 color pictures" in said and "as chosen earlier" not in said
    assert place.workspace.chosen.read_text() == kept


@pytest.mark.parametrize("other", ["data.degrade=downscale 2", "data.holdout=/held-out"])
def test_sources_and_other_held_out_images_have_no_classes(place, other):
    fill(place.images, 100)
    sort_into(place, "cats", "dogs")
    choice = configure([f"data.folder={quote(str(place.images))}", other])
    assert not choice.config.model.conditional and not choice.values["model.conditional"]
    assert ("to draw images of one class" in str(choice.lines)) == ("holdout" in other)
    place.run()
    assert not place.run("data.degrade=downscale 2")[0].model.conditional


@pytest.mark.parametrize("terminal", [True, False])
def test_a_look_is_shown_on_a_terminal_alone(place, monkeypatch, terminal):
    titles = []

    @contextlib.contextmanager
    def showing(console, title):
        titles.append(title)
        yield

    console = SimpleNamespace(is_terminal=terminal)
    monkeypatch.setattr(chosen_module, "make_console", lambda: console)
    monkeypatch.setattr(chosen_module, "showing", showing)
    place.run()
    assert titles == (["looking at images"] if terminal else [])


def test_folders_of_splits_are_named(place):
    sort_into(place, "train", "test")
    config, said = place.run()
    assert not config.model.conditional
    text = "folders of splits are read together, and images are held out anew; to read one: --data "
    assert text in said and "images/train'" in said


def test_a_run_that_will_lack_classes_is_reported_before_it_starts_and_keeps_nothing(place):
    _, said = place.run("model.conditional=true")
    assert "a run stops without classes: model.conditional=true needs images in at least 2" in said
    assert not place.workspace.chosen.exists()


def test_a_crop_that_leaves_out_most_of_some_pictures_is_reported(tmp_path):
    for i in range(20):
        Image.new("RGB", (240 if i < 5 else 40, 40), (i, 0, 0)).save(tmp_path / f"{i}.png")
    said = "data.fit=crop cuts more than 40% off 25% of the pictures; data.fit=pad keeps all"
    folder = f"data.folder={tmp_path}"
    assert [line for line in configure([folder]).lines if line.startswith(said)]
    assert "cuts" not in str(configure([folder, "data.fit=pad"]).lines)


def test_the_held_out_share_that_is_set_counts(place):
    fill(place.images, 100)
    overrides = [f"data.folder={quote(str(place.images))}", "data.eval_percent=5"]
    assert configure(overrides).trained_images == 95


def test_a_run_that_the_workspace_refuses_leaves_the_choice_of_another(place, tmp_path):
    place.run()
    kept = place.workspace.chosen.read_text()
    fill(tmp_path / "other", 60, side=9)
    with place.workspace.locked(), pytest.raises(InUseError):
        place.run(images=tmp_path / "other")
    assert place.workspace.chosen.read_text() == kept


def test_the_kept_choice_is_a_configuration_file(place):
    config, _ = place.run()
    assert load(file=place.workspace.chosen) == config


def test_overrides_are_on_top_of_the_choice_and_not_kept(place):
    config, said = place.run("train.steps=7", "data.channels=1")
    assert (config.train.steps, config.data.channels, config.data.resolution) == (7, 1, (16, 16))
    assert "; set: data.channels=1, train.steps=7\n" in said
    config, _ = place.run("train.steps=8")
    assert (config.train.steps, config.data.channels) == (8, 3)


def test_the_network_follows_a_resolution_that_is_set(place):
    for _ in range(2):  # chosen, then reused
        config, _ = place.run("data.resolution=32")
        assert (config.model.patch, config.model.channels) == (2, (64, 128))
        assert (config.model.blocks, config.model.time_embedding) == (1, "scale_shift")
        assert config.train.learning_rate == 0.001
        config, _ = place.run("data.resolution=64")
        assert (config.model.patch, config.train.learning_rate) == (4, 0.001)
        config, _ = place.run("data.resolution=31")
        assert (config.model.patch, config.model.channels) == (1, (32,))
        assert (config.model.blocks, config.model.time_embedding) == (2, "add")


def test_a_source_that_is_mapped_gets_a_network_that_needs_no_noise(tmp_path):
    place = Place(tmp_path)
    fill(place.images, 60, side=40)
    images = f"data.folder={quote(str(place.images))}"
    assert configure([images]).config.model.prediction == "gaussian"
    mapped = configure([images, "data.degrade=gray", "model.source=map"])
    assert mapped.config.model.prediction == "difference"


@pytest.mark.parametrize(
    ("overrides", "weight"),
    [
        ("data.channels=3", 3),
        ("sample.autoguidance_interval=[0.1,0.9]", 3),
        ("train.steps=900", 1),
        ("model.prediction=difference", 1),
        ("data.degrade=gray", 1),
        ("model.conditional=true sample.guidance=2", 1),
        ("sample.autoguidance=4", 4),
    ],
)
def test_autoguidance_is_chosen_for_what_it_was_tried_with(
    tmp_path, monkeypatch, overrides, weight
):
    monkeypatch.setattr("pipeline.choosing.choose.AUTOGUIDANCE", {1000: (3.0, [0.2, 0.8])})
    place = Place(tmp_path)
    fill(place.images, 60, side=40)
    images = f"data.folder={quote(str(place.images))}"
    choice = configure([images, *overrides.split()])
    assert choice.values["sample.autoguidance"] == 3
    assert choice.config.sample.autoguidance == weight
    on_part = (0.2, 0.8) if weight == 3 else (0, 1)
    given = (0.1, 0.9) if "interval" in overrides else on_part
    assert choice.config.sample.autoguidance_interval == given


def test_autoguidance_follows_steps_that_are_set_beyond_the_chosen_ones(tmp_path):
    place = Place(tmp_path)
    fill(place.images, 60, side=40)
    images = f"data.folder={quote(str(place.images))}"
    choice = configure([images, "train.steps=4000"])
    assert choice.values["sample.autoguidance"] == 1
    assert choice.config.sample.autoguidance == 2.5
    assert choice.config.sample.autoguidance_interval == (0.1, 0.9)


def test_the_channels_of_a_chosen_network_can_be_set_alone(tmp_path, monkeypatch):
    place = Place(tmp_path)
    fill(place.images, 60, side=40)
    monkeypatch.setattr(chosen_module, "this_machine", lambda: Machine(cores=2, gpus=1))
    images = f"data.folder={quote(str(place.images))}"
    chosen = configure([images, "model.channels=[64,128,256]"]).config.model
    assert (chosen.channels, len(chosen.attention)) == ((64, 128, 256), 3)


def test_a_rectangle_is_chosen_kept_and_replaced(place):
    for path in place.images.iterdir():
        Image.open(path).resize((60, 80)).save(path)
    first, said = place.run()
    assert first.data.resolution == (32, 24)
    assert "60 color pictures of 60x80\nchosen for them: data.resolution=[32,24], " in said
    again, said = place.run("data.resolution=[32,24]")
    assert again == first
    assert "as chosen earlier, data.channels=3, " in said
    assert "; set: data.resolution=[32,24]\n" in said
    assert load(file=place.workspace.chosen) == first
    other, _ = place.run("data.resolution=[18,64]")
    assert (other.data.resolution, other.model.channels) == ((18, 64), (32, 64))
    assert place.run("data.resolution=16")[0].data.resolution == (16, 16)


def test_another_folder_gets_a_choice_of_its_own(place, tmp_path):
    place.run()
    fill(tmp_path / "other", 60, side=9)
    assert place.run(images=tmp_path / "other")[0].data.resolution == (8, 8)
    assert yaml.safe_load(place.workspace.chosen.read_text())["data"]["resolution"] == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: [", "line 1: not YAML"),
        ("", "no data.eval_percent, data.folder, data.pattern, data.resolution"),
        ("hello", "expected sections with keys"),
        ("beam: {options: [--x]}", "unexpected beam.options"),
        ("evaluate: {features: {sha256: a}}", "unexpected evaluate.features.sha256"),
        (
            "data: {folder: /a, pattern: '', resolution: 3, eval_percent: 20}",
            "data.resolution: got 3; input should",
        ),
        (
            "data: {folder: /a, pattern: '', resolution: 16, eval_percent: 20, channels: .inf}",
            "data.channels: got",
        ),
    ],
)
def test_a_kept_choice_that_is_not_valid_is_named_in_one_line(place, text, said):
    place.workspace.folder.mkdir()
    place.workspace.chosen.write_text(text)
    with pytest.raises(ConfigError) as error:
        place.run()
    assert str(error.value).startswith(f"{place.workspace.chosen}: {said}")
    assert str(error.value).endswith("; remove it, and the next run chooses again")
    assert "\n" not in str(error.value)


def test_a_link_in_place_of_the_kept_choice_is_not_followed(place, tmp_path):
    place.run()
    place.workspace.chosen.rename(tmp_path / "chosen.yaml")
    place.workspace.chosen.symlink_to(tmp_path / "chosen.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        place.run()


def test_a_workspace_that_cannot_be_written_is_reported(place):
    place.workspace.folder.touch()
    with pytest.raises((WorkspaceError, ConfigError), match=r"cannot be (written|read)"):
        place.run()


def test_nothing_is_kept_in_a_workspace_inside_the_images(place):
    place.workspace = Workspace(place.images / "workspace")
    with pytest.raises(ConfigError, match="is inside it"):
        place.run()
    assert not place.workspace.folder.exists()


def test_nothing_is_kept_for_a_folder_without_images(place, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageDataError, match="no image files"):
        place.run(images=tmp_path / "none")
    assert not place.workspace.folder.exists()


def test_nothing_is_kept_for_sources_that_are_rejected(place, tmp_path):
    with pytest.raises(ImageDataError, match="the sources are in the same folder"):
        place.run(f"data.source={quote(str(place.images))}")
    with pytest.raises(ImageDataError):
        place.run(f"data.source={quote(str(tmp_path / 'missing'))}")
    assert not place.workspace.folder.exists()


def test_an_override_that_is_wrong_is_reported_before_the_images_are_looked_at(tmp_path):
    for override in ("data.resolution=3", "data=5", "data.folders=x"):
        with pytest.raises(ConfigError, match=r"^data"):
            configure([f"data.folder={tmp_path}/missing", override])


def test_without_a_folder_the_defaults_hold():
    choice = configure(["train.steps=7"])
    assert choice.config == load(overrides=["train.steps=7"])
    assert choice.lines == ("no --preset, --config or --data: the defaults apply",)


def test_for_a_cluster_this_machine_decides_nothing(place, monkeypatch):
    fill(place.images, 60, side=64)
    folder = f"data.folder={quote(str(place.images))}"

    def chosen(*overrides):
        choice = configure([folder, *overrides], cluster=True)
        *_, said = choice.lines
        train = choice.config.train
        return choice.config.data.resolution[0], train.precision, train.steps, said

    expected = []
    for machine in (Machine(1, 0), Machine(64, 8), Machine(64, 0, bfloat16=True)):
        monkeypatch.setattr(chosen_module, "this_machine", lambda machine=machine: machine)
        expected.append((chosen("kubeflow.gpu=0"), chosen()))
    assert expected[0] == expected[1] == expected[2]
    (on_cpu, on_gpu) = expected[0]
    assert on_cpu[:2] == (32, "float32")
    assert on_cpu[3] == "for any CPU on the cluster, not for this machine"
    assert on_gpu[:2] == (64, "auto")
    assert on_gpu[3] == "for 1 GPU on the cluster, not for this machine"
    assert chosen("kubeflow.nodes={Trainer: {gpu: 0}}") == on_cpu


def test_images_to_judge_set_only_how_they_are_converted(place):
    config = configure_images(str(place.images), ["evaluate.samples=500"]).config
    assert config.data == load(overrides=["data.resolution=16"]).data
    assert (config.evaluate.samples, config.train) == (500, load().train)


@pytest.mark.parametrize(
    ("sides", "expected"), [((300, 300), 256), ((300, 70), 64), ((40, 300), 32)]
)
def test_images_to_judge_are_compared_as_large_as_all_of_them_are(
    tmp_path, monkeypatch, sides, expected
):
    for name, side in zip(("real", "samples"), sides, strict=True):
        fill(tmp_path / name, 20, side=side)
    for machine in (Machine(2, 0), Machine(64, 8)):
        monkeypatch.setattr(chosen_module, "this_machine", lambda machine=machine: machine)
        found = configure_images(str(tmp_path / "real"), [], [str(tmp_path / "samples")])
        assert found.config.data.resolution == (expected, expected)


def test_images_that_keep_detail_from_being_judged_are_named(tmp_path):
    sides = {"real": 32, "samples": 8, "larger": 40, "train": 16}
    for name, side in sides.items():
        fill(tmp_path / name, 20, side=side)
    real, samples, larger, train = (str(tmp_path / name) for name in sides)
    beside = "the real ones of 32x32: all are compared at 8x8, and missing detail is not judged; "
    remedy = ["data.resolution=32", "data.min_size=8"]
    found = configure_images(real, [], [samples, larger], train)
    assert found.warnings == (
        f"{samples}: pictures of 8x8, {beside}--set {' --set '.join(remedy)} judges it",
        f"{train}: pictures of 16x16, {beside}name larger ones with --train",
    )
    assert found.lines[1:] == found.warnings
    assert not configure_images(real, remedy, [samples, larger], train).warnings
    assert not configure_images(real, [], [larger]).warnings


def test_rectangles_that_keep_detail_from_being_judged_have_both_sides_named(tmp_path):
    for name, (width, height) in (("real", (96, 48)), ("samples", (48, 24))):
        fill(tmp_path / name, 20, side=96)
        for path in (tmp_path / name).iterdir():
            Image.open(path).crop((0, 0, width, height)).save(path)
    _, line = configure_images(str(tmp_path / "real"), [], [str(tmp_path / "samples")]).lines
    assert line == (
        f"{tmp_path / 'samples'}: pictures of 48x24, the real ones of 96x48: all are compared at "
        "32x16, and missing detail is not judged; --set 'data.resolution=[32,64]' judges it"
    )


def test_samples_of_another_shape_are_not_rejected_by_the_size_that_is_chosen(tmp_path):
    fill(tmp_path / "real", 20, side=300)
    fill(tmp_path / "wide", 20, side=120)
    for path in (tmp_path / "wide").iterdir():
        Image.open(path).crop((0, 0, 120, 60)).save(path)
    config = configure_images(str(tmp_path / "real"), [], [str(tmp_path / "wide")]).config
    assert config.data.resolution == (64, 64)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((16, 8), (8, 16)), ((16, 16), (8, 16)), ((8, 16), (4, 8)), ((48, 48), (16, 32))],
)
def test_images_to_judge_are_as_large_as_what_is_left_of_others(tmp_path, size, expected):
    """Of 16x16, a crop to 2:1 leaves 16x8."""
    for name, (width, height) in (("real", (96, 48)), ("samples", size)):
        fill(tmp_path / name, 20, side=96)
        for path in (tmp_path / name).iterdir():
            Image.open(path).crop((0, 0, width, height)).save(path)
    found = configure_images(str(tmp_path / "real"), [], [str(tmp_path / "samples")])
    assert found.config.data.resolution == expected


def test_samples_in_color_are_compared_in_color_with_gray_images(tmp_path):
    for name, mode in (("real", "L"), ("samples", "RGB")):
        fill(tmp_path / name, 20)
        for path in (tmp_path / name).iterdir():
            Image.open(path).convert(mode).save(path)
    both = (str(tmp_path / "real"), str(tmp_path / "samples"))
    assert configure_images(both[0], [], both[1:]).config.data.channels == 3
    assert configure_images(both[0], [], both[:1]).config.data.channels == 1


def test_a_folder_whose_images_are_cut_to_be_compared_is_named(tmp_path):
    fill(tmp_path / "real", 20, side=64)
    fill(tmp_path / "grids", 20, side=160)
    for path in (tmp_path / "grids").iterdir():
        Image.open(path).crop((0, 0, 160, 64)).save(path)
    _, line = configure_images(str(tmp_path / "real"), [], [str(tmp_path / "grids")]).lines
    assert line.startswith(f"{tmp_path / 'grids'}: data.fit=crop cuts more than 40% off 100% of ")
