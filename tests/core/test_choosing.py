"""What `iadb run --data FOLDER` sees of a folder and chooses for it: a snapshot for each folder."""

import contextlib
import itertools
import json
import os
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import ExifTags, Image

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.spans import Listings
from pipeline.choosing import chosen as chosen_module
from pipeline.choosing import look as look_module
from pipeline.choosing.choose import choose, choose_network
from pipeline.choosing.chosen import configure, configure_images
from pipeline.choosing.look import look
from pipeline.choosing.machine import Machine, cluster_machine, this_machine
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.config.sections import DataConfig
from pipeline.config.yaml_text import quote
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.workspace import InUseError, Workspace, WorkspaceError

CPU, QUICK = Machine(cores=2, gpus=0), Machine(cores=2, gpus=0, bfloat16=True)
GPU = Machine(cores=16, gpus=1)


@pytest.fixture(autouse=True)
def use(monkeypatch):
    """A function that sets the machine, which is one of two cores without a GPU."""

    def use_machine(machine):
        monkeypatch.setattr(chosen_module, "this_machine", lambda: machine)

    use_machine(CPU)
    return use_machine


@pytest.fixture
def folder(tmp_path):
    """A folder whose name has to be quoted and escaped."""
    (tmp_path / "my ☃ 😀\nimages").mkdir()
    return tmp_path / "my ☃ 😀\nimages"


def draw(folder, count, width=16, height=None, mode="RGB", first=0):
    """Draws images of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        noise = np.random.default_rng(i).integers(0, 256, (height or width, width, 3), np.uint8)
        Image.fromarray(noise).convert(mode).save(folder / f"{i:04}.png")


def draw_icons(folder, *colors):
    """Draws a square on transparent ground in each of the colors."""
    for i, color in enumerate(colors):
        icon = Image.new("RGBA", (16, 16))
        icon.paste((*color, 255), (4, 4, 12, 12))
        icon.save(folder / f"icon {i:02}.png")


def sort_into(folder, *names):
    """Moves the images of a folder into folders in turn."""
    for path, name in zip(sorted(folder.iterdir()), itertools.cycle(names), strict=False):
        (folder / name).mkdir(exist_ok=True)
        path.rename(folder / name / path.name)


def set_folder(folder):
    return f"data.folder={quote(str(folder))}"


def text(choice, folder):
    """What a person reads of a choice, with the warnings of a verdict, and whether it is kept."""
    assert all(line.isprintable() for line in choice.lines)
    shown = "\n".join([*choice.lines, *(f"(warning) {line}" for line in choice.warnings)])
    name = repr(str(folder.parent))[1:-1]
    return f"{shown}\nto be kept: {choice.kept is not None}".replace(name, "/there")


def gray_in_color(folder):
    draw(folder, 60, mode="L")
    for path in folder.iterdir():
        Image.open(path).convert("RGB").resize((90, 90)).save(path.with_suffix(".jpg"), quality=60)
        path.unlink()


def a_few_small(folder):
    draw(folder, 60, 128)
    for path in sorted(folder.iterdir())[:5]:
        Image.new("RGB", (9, 9)).save(path)


def small_ones_that_lower_nothing(folder):
    draw(folder, 57, 128)
    draw(folder, 3, 20, first=57)


def upright_and_landscape(folder):
    draw(folder, 30, 60, 90)
    draw(folder, 30, 90, 60, first=30)


def photographs_stored_turned(folder):
    draw(folder, 30, 40, 30)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for path, ending in zip(sorted(folder.iterdir()), itertools.cycle(("jpg", "webp", "png"))):
        image = Image.open(path)
        image.load()
        path.unlink()
        image.save(path.with_suffix(f".{ending}"), exif=exif)


def half_wide(folder):
    draw(folder, 15, 40)
    draw(folder, 5, 240, 40, first=15)


def by_class(folder):
    draw(folder, 120)
    sort_into(folder, "cats", "dogs")


def by_class_with_small_ones(folder):
    draw(folder, 400)
    sort_into(folder, "cats", "dogs")
    for i in range(5):
        draw(folder / f"album {i}x", 2)


def by_class_and_others(folder):
    draw(folder, 100)
    sort_into(folder, "a", "b")
    draw(folder, 20)


def in_folders(*names, count=200):
    def make(folder):
        draw(folder, count)
        sort_into(folder, *names)

    return make


def masks_beside(folder):
    draw(folder, 60)
    sort_into(folder, "images", "masks")
    for path in (folder / "images").iterdir():
        path.rename(folder / path.name)


def spans_and_a_link(folder):
    draw(folder, 60)
    sort_into(folder, "span-1", "span-2")
    (folder / "latest").symlink_to("span-2")


def white_icons(folder):
    draw_icons(folder, *[(255, 255, 255)] * 60)


def white_icons_and_some_colored(folder):
    draw_icons(folder, *[(0, 0, 255)] * 55, *[(252, 252, 252)] * 9)


def white_icons_and_some_black(folder):
    draw_icons(folder, *[(255, 255, 255)] * 57, *[(0, 0, 0)] * 3)


def dark_icons_and_some_invisible(folder):
    draw_icons(folder, *[(40, 40, 40)] * 50)
    for i in range(10):
        Image.new("RGBA", (16, 16)).save(folder / f"nothing {i}.png")


def opaque_alpha(folder):
    draw(folder, 60, mode="RGBA")


def a_few_bad_ones(folder):
    draw(folder, 60)
    (folder / "a\nb.png").write_bytes(b"no image")
    whole = (folder / "0000.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    for name in ("1.heic", "2.HEIC", "labels.csv", "a.zip", "b.ZIP", "c.tar.gz"):
        (folder / name).touch()
    (folder.parent / "elsewhere").mkdir()
    (folder / "linked").symlink_to(folder.parent / "elsewhere")


def many_bad_ones(folder):
    draw(folder, 60)
    for i in range(10):
        (folder / f"bad{i}.png").write_bytes(b"no image")


def archives(folder):
    draw(folder / "cats", 60)
    with tarfile.open(folder / "a.tar", "w") as tar:
        tar.add(folder / "cats", "0001")
    content = {"bytes": (folder / "cats/0000.png").read_bytes()}
    table = pa.table({"image": [content] * 60, "label": ["birds"] * 60})
    pq.write_table(table, folder / "b.parquet")
    pq.write_table(pa.table({"caption": ["a"]}), folder / "c.parquet")
    shutil.rmtree(folder / "cats")


FOLDERS = {
    "one picture": lambda folder: draw(folder, 1),
    "small pictures": lambda folder: draw(folder, 60),
    "pictures of many pixels": lambda folder: draw(folder, 500, 64),
    "gray pictures saved in color": gray_in_color,
    "gray pictures": lambda folder: draw(folder, 60, mode="L"),
    "gray pictures and one in color": lambda folder: (
        draw(folder, 30, mode="L"),
        draw(folder, 1, first=30),
    ),
    "rectangles": lambda folder: draw(folder, 60, 60, 80),
    **{
        each.__name__.replace("_", " "): each
        for each in (
            *(a_few_small, small_ones_that_lower_nothing, upright_and_landscape, half_wide),
            *(photographs_stored_turned, by_class, by_class_with_small_ones, by_class_and_others),
            *(masks_beside, spans_and_a_link, white_icons, white_icons_and_some_colored),
            *(white_icons_and_some_black, dark_icons_and_some_invisible, opaque_alpha),
            *(a_few_bad_ones, many_bad_ones, archives),
        )
    },
    "many folders of few pictures": in_folders(*(f"album {i:02}x" for i in range(50))),
    "years": in_folders("2023", "2024"),
    "numbers": in_folders("00000", "00001"),
    "splits": in_folders("train", "test"),
    "images and masks": in_folders("images", "masks"),
    "too few for a run": lambda folder: draw(folder, 20),
    "too few for a verdict": lambda folder: draw(folder, 45),
    "more than too few": lambda folder: draw(folder, 30),
}
SET = [  # overrides, on pictures of 40x40
    ["data.resolution=64"],
    ["data.resolution=31"],
    ["data.resolution=8", "data.eval_percent=5"],
    ["data.resolution=[18,64]", "train.steps=7", "data.channels=1"],
    ["train.steps=4000", "sample.autoguidance_interval=[0.3,0.7]"],
    ["train.steps=900"],
    ["model.prediction=difference"],
    ["model.conditional=true", "sample.guidance=2"],
    ["data.degrade=gray", "model.source=map"],
    ["data.fit=pad", "validation.on_anomaly=warn", "sample.autoguidance=4"],
]


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(folder, name, snapshot):
    FOLDERS[name](folder)
    choice = configure([set_folder(folder)])
    assert text(choice, folder) == snapshot
    assert configure([set_folder(folder)]) == choice


@pytest.mark.parametrize("overrides", SET, ids=" ".join)
def test_what_is_set_counts_and_the_rest_follows_from_it(folder, overrides, snapshot):
    draw(folder, 400, 40)
    choice = configure([set_folder(folder), *overrides])
    assert text(choice, folder) == snapshot


@pytest.mark.parametrize("overrides", [["data.degrade=downscale 2"], ["data.holdout=/held-out"]])
def test_classes_are_not_chosen_beside_sources_and_other_held_out_images(
    folder, overrides, snapshot
):
    by_class(folder)
    assert text(configure([set_folder(folder), *overrides]), folder) == snapshot
    assert not configure([set_folder(folder), "model.conditional=false"]).config.train.class_balance


@pytest.mark.parametrize("color", [(255, 255, 255), (200, 0, 0)])
def test_colors_and_background_suit_the_sources_as_well(folder, tmp_path, snapshot, color):
    white_icons(folder)
    draw_icons(tmp_path, *[color] * 60)
    sources = tmp_path / "sources"
    shutil.copytree(folder, sources)
    for path in sources.iterdir():
        shutil.copy(tmp_path / path.name, path)
    choice = configure([set_folder(folder), f"data.source={quote(str(sources))}"])
    assert text(choice, folder) == snapshot


def test_only_the_spans_of_the_window_are_looked_at(folder, snapshot):
    for span, side in ((1, 8), (2, 16), (3, 32)):
        draw(folder / f"span-{span}", 60, side)
    overrides = [set_folder(folder), 'data.pattern="span-{SPAN}"', "data.window=2"]
    assert text(configure(overrides), folder) == snapshot


PICTURES = [  # shorter side, aspect and number
    *((side, 1, 5000) for side in (3, 12, 13, 25, 26, 51, 52, 4000)),
    *((4000, aspect, 5000) for aspect in (1.19, 4 / 3, 2 / 3, 9)),
    *((4000, 1, files) for files in (50, 450, 1500, 40_000)),
    *((side, 1.5, 5000) for side in (16, 18, 24)),
]


@pytest.mark.parametrize(
    "machine", [CPU, QUICK, Machine(1, 0), GPU, Machine(16, 3), Machine(2, 0, workers=3)]
)
def test_what_is_chosen_on_a_machine(machine, snapshot):
    found = []
    for side, aspect, files in PICTURES:
        pictures = Pictures(
            *(files, 1.0, "", *[side] * 4, *[aspect] * 3, False, False, "#ffffff"),
            classes={},
            sizes=((side, side),),
        )
        values = choose(pictures, machine, DataConfig())
        config = load(overrides=[f"{key}={json.dumps(value)}" for key, value in values.items()])
        assert config.evaluate == load().evaluate
        brief = " ".join(map(json.dumps, values.values()))
        found.append(f"{files} of {side} by {aspect:.2f}: {brief}")
    assert found == snapshot


@pytest.mark.parametrize("machine", [CPU, QUICK, GPU], ids=["cpu", "bfloat16", "gpu"])
def test_there_is_a_network_for_every_resolution(machine, snapshot):
    found = {}
    sides = (4, 7, 12, 24, 30, 32, 62, 64, 96, 100, 128, 200, 1000)
    for height, width in itertools.product(sides, repeat=2):
        network = choose_network((height, width), machine)
        unit = network["model.patch"] * 2 ** (len(network["model.channels"]) - 1)
        assert height % unit == width % unit == 0
        assert len(network["model.channels"]) == len(network["model.attention"])
        found.setdefault(json.dumps(network), []).append(f"{height}x{width}")
    assert found == snapshot


NAMES = """
Train val|train2017 val2017|trainA trainB testA testB|train test extra|train unlabeled
train validate|trainval test|trn val tst|train holdout|training_set test_set|query gallery train
bounding_box_train bounding_box_test query|seg_train seg_test seg_pred|DIV2K_train_HR DIV2K_valid_HR
train car|trained test|steam_train bullet_train|0 1 10|n01440764 n01443537|bad bed|0f a0|0 a
images segmentation|photos thumbnails|00000 01000|part-1 fold_02|2025-01 2025_02_03|16x16 48x48
202301__ 202302_a|100CANON 101CANON|100EOS5D 100D750_ DJI_001|001_rose 002_tulip|2019 2020 misc
2024-05_Rome 20240531_Birthday misc|2018_Italy 2019_Norway|1968-76_ford 2012-2015_audi vw
2000_rupees 500_rupees coins|images gt|batch_1 cats dogs|2019 2020|2026-01-31 2026-02-01|span-1
span-1 span-02|span-1 cats|2026/01/31 2026/02/01|2026 2027
"""


def test_names_of_folders(folder, snapshot):
    """Which folders are splits, kinds of pictures, or spans."""
    found = []
    for names in NAMES.replace("\n", "|").strip("|").split("|"):
        shutil.rmtree(folder)
        for name in names.split():
            draw(folder / name, 1)
        seen = look(DataConfig(folder=str(folder)), Listings())
        found.append((names, seen.have_splits, sorted(seen.kinds), seen.have_classes, seen.spans))
    assert found == snapshot


@pytest.mark.parametrize(
    "limits", [{"MAX_DECODED": 1, "MIN_DECODED": 10}, {"MAX_DECODED": 9000, "SAMPLE": 20}]
)
def test_a_part_of_many_large_pictures_stands_for_all(folder, monkeypatch, snapshot, limits):
    for name, value in limits.items():
        monkeypatch.setattr(look_module, name, value)
    draw(folder, 40, 64, mode="L")
    for path in sorted(folder.iterdir())[::2]:
        Image.open(path).resize((32, 32)).save(path)
    draw(folder, 10, 64, first=40)
    files = sorted(folder.iterdir())
    files[3].write_bytes(files[3].read_bytes()[:900])
    seen = look(DataConfig(folder=str(folder), max_pixels=5000), Listings())
    assert replace(seen, sizes=()) == snapshot


def test_a_folder_without_a_picture_that_can_be_read_is_wrong_data(folder, snapshot):
    errors = []
    with pytest.raises(ImageDataError) as error:
        configure([set_folder(folder)])
    errors.append(str(error.value))
    (folder / "empty.png").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / "out.png").symlink_to("/etc/passwd")
    (folder / "a.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(ImageDataError) as error:
        configure([set_folder(folder)])
    errors.append(str(error.value))
    assert [repr(each).replace(str(folder.parent), "/there") for each in errors] == snapshot


def test_a_choice_is_kept_while_the_folder_grows(folder, tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    draw(folder, 60)
    first = configure([set_folder(folder)], workspace)
    assert load(file=workspace.chosen) == first.config
    draw(folder, 500, 64)
    elsewhere = folder.parent / "other" / ".." / folder.name
    again = configure([set_folder(elsewhere), "train.steps=8"], workspace)
    assert again.config.data == first.config.data and again.config.train.steps == 8
    assert "as chosen earlier" in again.chosen and not again.seen
    large = configure([set_folder(folder), "data.resolution=32"], workspace)
    assert (large.config.data.resolution, large.config.data.eval_percent) == ((32, 32), 50)
    assert load(file=workspace.chosen) == first.config
    other = tmp_path / "other"
    draw(other, 60, 9)
    with workspace.locked(), pytest.raises(InUseError):
        configure([set_folder(other)], workspace)
    assert load(file=workspace.chosen) == first.config
    assert configure([set_folder(other)], workspace).config.data.resolution == (8, 8)
    workspace.chosen.unlink()
    assert configure([set_folder(folder)], workspace).config.data.resolution == (32, 32)


@pytest.mark.parametrize(
    ("count", "overrides"),
    [(15, []), (60, ["data.resolution=64"]), (60, ["model.conditional=true"])],
)
def test_a_choice_for_a_run_that_would_fail_is_not_kept(
    folder, tmp_path, count, overrides, snapshot
):
    workspace = Workspace(tmp_path / "workspace")
    draw(folder, count)
    assert text(configure([set_folder(folder), *overrides], workspace), folder) == snapshot
    assert not workspace.chosen.exists()


@pytest.mark.parametrize(
    "content",
    [
        "data: [",
        "",
        "hello",
        "beam: {options: [--x]}",
        "evaluate: {features: {sha256: a}}",
        "data: {folder: /a, pattern: '', resolution: 3, eval_percent: 20}",
        "data: {folder: /a, pattern: '', resolution: 16, eval_percent: 20, channels: .inf}",
        "LINK",
    ],
)
def test_a_kept_choice_that_is_not_valid_is_named(folder, tmp_path, content, snapshot):
    workspace = Workspace(tmp_path / "workspace")
    draw(folder, 60)
    configure([set_folder(folder)], workspace)
    if content == "LINK":
        workspace.chosen.rename(tmp_path / "chosen.yaml")
        workspace.chosen.symlink_to(tmp_path / "chosen.yaml")
    else:
        workspace.chosen.write_text(content)
    with pytest.raises(ConfigError) as error:
        configure([set_folder(folder)], workspace)
    assert str(error.value).replace(str(tmp_path), "/there") == snapshot


def test_nothing_is_kept_where_it_cannot_or_must_not_be(folder, tmp_path):
    draw(folder, 60)
    source = f"data.source={quote(str(folder))}"
    for place, overrides, kind in (
        (folder / "workspace", [], ConfigError),
        (tmp_path / "workspace", [source], ImageDataError),
        (tmp_path / "workspace", [f"data.source={tmp_path}/missing"], ImageDataError),
    ):
        with pytest.raises(kind):
            configure([set_folder(folder), *overrides], Workspace(place))
        assert not place.exists()
    (tmp_path / "file").touch()
    with pytest.raises((WorkspaceError, ConfigError), match=r"cannot be (written|read)"):
        configure([set_folder(folder)], Workspace(tmp_path / "file"))


def test_an_override_that_is_wrong_is_reported_before_the_images_are_looked_at(tmp_path):
    for override in ("data.resolution=3", "data=5", "data.folders=x"):
        with pytest.raises(ConfigError, match=r"^data"):
            configure([f"data.folder={tmp_path}/missing", override])


def test_without_a_folder_the_defaults_hold(snapshot):
    choice = configure(["train.steps=7"])
    assert choice.config == load(overrides=["train.steps=7"])
    assert choice.lines == snapshot


def test_for_a_cluster_this_machine_decides_nothing(folder, use, snapshot):
    draw(folder, 60, 64)
    asked = (["kubeflow.gpu=0"], [], ["kubeflow.nodes={Trainer: {gpu: 0}}"])

    def choose_all():
        choices = [configure([set_folder(folder), *each], cluster=True) for each in asked]
        return [text(choice, folder) for choice in choices]

    found = choose_all()
    use(Machine(64, 8, bfloat16=True))
    assert choose_all() == found == snapshot


@pytest.mark.parametrize(
    ("options", "gpus", "replicas"),
    [
        ({}, 1, 1),
        ({"train_workers": 3, "nodes": {"Trainer": {"gpu": 2}}}, 6, 6),
        ({"train_workers": 3, "gpu": 0}, 0, 3),
    ],
)
def test_on_a_cluster_the_gpus_of_all_workers_count(options, gpus, replicas):
    found = cluster_machine(KubeflowConfig.model_validate(options))
    assert (found.gpus, found.replicas) == (gpus, replicas)


@pytest.mark.parametrize(("installed", "gpus", "idle"), [(True, 2, 0), (False, 0, 2)])
def test_gpus_without_their_libraries_are_idle(tmp_path, monkeypatch, installed, gpus, idle):
    for number in range(2):
        (tmp_path / f"nvidia{number}").touch()
    (tmp_path / "cpuinfo").write_text(f"flags : fpu avx512_{'bf16' if installed else 'fp16'}\n")
    monkeypatch.setattr("trainer.light.cpu.INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("trainer.light.gpus.DEVICES", f"{tmp_path}/nvidia[0-9]*")
    libraries = ("json" if installed else "no_such", "no-such")
    monkeypatch.setattr("trainer.light.gpus.CUDA_LIBRARIES", libraries)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert this_machine() == Machine(1, gpus, installed, idle)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert this_machine().gpus == this_machine().idle_gpus == 0


@pytest.mark.parametrize(
    ("real", "samples", "larger", "training", "overrides"),
    [
        ((300, 300), (300, 300), (300, 300), None, ["evaluate.samples=500"]),
        ((300, 300), (70, 70), (300, 300), (40, 40), []),
        ((32, 32), (8, 8), (40, 40), (16, 16), []),
        ((32, 32), (8, 8), (40, 40), (16, 16), ["data.resolution=32", "data.min_size=8"]),
        ((96, 48), (48, 24), (96, 96), None, []),
        ((96, 48), (16, 16), (64, 160), None, []),
        ((300, 300), (120, 60), (160, 64), None, []),
    ],
)
def test_images_are_compared_at_a_size_that_all_of_them_have(
    folder, real, samples, larger, training, overrides, use, snapshot
):
    folders = {name: folder.parent / name for name in ("real", "samples", "larger", "train")}
    for (name, place), size in zip(folders.items(), (real, samples, larger, training), strict=True):
        if size:
            draw(place, 20, *size, mode="RGB" if name != "real" else "L")
    judged = [str(folders["samples"]), str(folders["larger"])]
    train = str(folders["train"]) if training else None

    def compare():
        return configure_images(str(folders["real"]), overrides, judged, train)

    found = compare()
    assert text(found, folder) == snapshot
    assert found.config.train == load().train
    use(Machine(64, 8))
    assert compare() == found
    assert configure_images(str(folders["real"]), []).config.data.channels == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_look_is_shown_on_a_terminal_alone(folder, monkeypatch, terminal):
    titles = []

    @contextlib.contextmanager
    def showing(console, title):
        titles.append(title)
        yield

    draw(folder, 60)
    console = type("Console", (), {"is_terminal": terminal})
    monkeypatch.setattr(chosen_module, "make_console", console)
    monkeypatch.setattr(chosen_module, "showing", showing)
    configure([set_folder(folder)])
    assert titles == (["looking at images"] if terminal else [])
