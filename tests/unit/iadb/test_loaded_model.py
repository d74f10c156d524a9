import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import iadb
from components.atomic_pusher.versions import METADATA, SAVED_MODEL
from pipeline.drawing import draw_samples
from pipeline.export import mlflow_model
from pipeline.registry.serving import read_model
from tests.exported_models import write_sampler, write_translator, write_with_network
from trainer.common.image_grid import encode_png
from trainer.source.options import Source

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    write_sampler(folder / "serving" / "1", shape=SHAPE, limits={"images": 16})
    write_with_network(
        folder / "serving" / "2", shape=SHAPE, labels=["cat", "dog"], limits={"images": 16}
    )
    return folder


@pytest.fixture(scope="module")
def model(workspace):
    return iadb.load(workspace)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translator")
    write_translator(folder, Source(degrade="gray"), SHAPE, limits={"images": 16})
    return iadb.load(folder)


def test_the_newest_model_of_a_workspace_is_opened_or_the_one_that_is_named(workspace):
    assert iadb.load(str(workspace)).folder == workspace / "serving" / "2"
    assert iadb.load(workspace / "serving" / "1").labels == []


def test_a_model_says_what_it_draws(model):
    assert (model.shape, model.labels) == (SHAPE, ["cat", "dog"])
    assert model.nb_step == model.metadata["nb_step"]


def test_the_folder_of_versions_stands_for_its_newest(workspace, monkeypatch):
    assert iadb.load(workspace / "serving").folder == workspace / "serving" / "2"
    monkeypatch.setenv("HOME", str(workspace.parent))
    assert iadb.load(f"~/{workspace.name}").folder == workspace / "serving" / "2"


def test_a_folder_for_mlflow_is_opened(workspace, tmp_path):
    mlflow_model.lay_out(workspace / "serving" / "2", tmp_path / "exported")
    assert iadb.load(tmp_path / "exported").labels == ["cat", "dog"]


def test_a_folder_for_mlflow_with_a_model_of_another_kind_is_reported(tmp_path):
    (tmp_path / "MLmodel").touch()
    with pytest.raises(ValueError, match="not a model that `iadb run` pushed: it has no saved_mo"):
        iadb.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "no model in .*; `iadb run` pushes one"),
        ("serving", "no model in .*serving; `iadb run` pushes one"),
        ("~nobody-such/model", "model: no such folder"),
        ("missing", "missing: no such folder; pass a workspace or the folder of a model"),
        ("file", "file: no such folder; pass a workspace or the folder of a model"),
        ("gs://bucket/model", "gs://bucket/model: not a folder of this machine"),
    ],
)
def test_a_folder_without_a_model_is_reported(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "serving").mkdir()
    with pytest.raises(ValueError, match=message):
        iadb.load(name)


def test_another_solver_and_guidance_draw_as_a_model_that_was_exported_with_them(
    workspace, tmp_path, model
):
    asked = {"solver": "heun", "guidance": 2.5}
    write_sampler(tmp_path, shape=SHAPE, labels=["cat", "dog"], **asked)
    plain, other = iadb.load(workspace / "serving" / "1"), iadb.load(tmp_path)
    expected = other.sample(3, label="dog", nb_step=4).astype(int)
    drawn = [
        model.sample(3, label="dog", nb_step=4, **asked),  # by NumPy
        model.trajectory(3, label="dog", nb_step=4, **asked)[:, -1],
        model.transport(model.noise(3), label="dog", nb_step=4, **asked),  # by TensorFlow
    ]
    assert all(np.abs(each - expected).max() <= 1 for each in drawn)
    assert np.abs(model.sample(3, label="dog", nb_step=4) - expected).max() > 1
    images = drawn[0]
    x0 = model.invert(images, label="dog", solver="rk4")
    assert np.abs(model.transport(x0, label="dog", solver="rk4") - images.astype(int)).max() <= 1
    assert [each.size for each in images.images] == [(8, 8)] * 3
    np.testing.assert_array_equal(images.images[1], images[1])
    for wrong, message in (
        ({"solver": "rk5"}, "solver: expected euler, midpoint, heun, rk4; got rk5"),
        ({"guidance": float("nan")}, "guidance: expected 0 to 1000; got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            model.sample(1, **wrong)
    with pytest.raises(ValueError, match="takes no labels"):
        plain.sample(1, guidance=2)


def test_each_image_may_have_a_label_of_its_own(model):
    labels = ["dog", "cat", "dog"]
    drawn = model.sample(3, label=labels)
    x0 = model.noise(3)
    for i, label in enumerate(labels):
        alone = model.sample(1, seed=i, label=label)[0].astype(int)
        other = model.sample(1, seed=i, label="cat" if label == "dog" else "dog")[0]
        assert np.abs(drawn[i] - alone).max() <= 1 < np.abs(other - alone).max()
        assert np.abs(model.trajectory(3, label=labels)[i, -1] - alone).max() <= 1
        assert np.abs(model.transport(x0, label=labels)[i] - alone).max() <= 1
        inverted = model.invert(drawn, label=labels)[i]
        np.testing.assert_allclose(
            inverted, model.invert(drawn[i : i + 1], label=label)[0], atol=1e-4
        )
    of_array = model.sample(1, seed=2, label=np.array(labels)[2])
    for label in (np.array(labels[2]), labels[2]):
        np.testing.assert_array_equal(model.sample(1, seed=2, label=label), of_array)
    with pytest.raises(ValueError, match="expected one label, or one for each of 3, got 2"):
        model.sample(3, label=["dog", "cat"])
    with pytest.raises(ValueError, match="label 'cow': unknown"):
        model.transport(x0, label=["dog", "cat", "cow"])


def test_counts_of_numpy_are_counts(model):
    assert len(model.sample(np.uint8(3), seed=254)) == 3
    np.testing.assert_array_equal(model.noise(np.int32(2), seed=2**31), model.noise(2, seed=2**31))
    assert len(model.sample(2, nb_step=np.int8(3))) == 2
    with pytest.raises(ValueError, match="count=-1: expected a whole number of at least 1"):
        model.noise(-1)
    with pytest.raises(ValueError, match=r"count=2.5: expected a whole number of at least 1"):
        model.noise(2.5)
    with pytest.raises(ValueError, match=r"count=None: expected a whole number of at least 1"):
        model.sample(None)


@pytest.mark.parametrize("label", [0, b"cat", {"cat", "dog"}])
def test_a_label_that_is_no_text_and_no_list_is_refused(model, label):
    with pytest.raises(ValueError, match="expected the name of a class, as text"):
        model.sample(2, label=label)


@pytest.mark.parametrize("name", ["transport", "invert"])
def test_nothing_in_place_of_an_array_is_refused(model, name):
    with pytest.raises(ValueError, match=r"expected an array of shape \('N', 8, 8, 3\), got \(\)"):
        getattr(model, name)(None)


def test_a_model_is_read_where_it_was_when_it_was_opened(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(workspace)
    opened = iadb.load("serving/1")
    monkeypatch.chdir(tmp_path)
    assert len(opened.sample(1)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "iadb.json is missing"),
        ("[]", r"iadb.json is damaged \(not an object\)"),
        ('{"nb_step": 4}', r"iadb.json is damaged \(shape: missing\)"),
        ('{"nb_step": 4, "shape": 5}', r"iadb.json is damaged \(shape: got 5; expected a list"),
    ],
)
def test_damaged_or_missing_metadata_are_a_value_error(tmp_path, content, message):
    version = tmp_path / "serving" / "1"
    (version / "assets.extra").mkdir(parents=True)
    (version / SAVED_MODEL).touch()
    if content:
        (version / METADATA).write_text(content)
    with pytest.raises(ValueError, match=message) as raised:
        iadb.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_model_whose_weights_are_damaged_is_a_value_error_that_names_it(tmp_path):
    folder = tmp_path / "model"
    write_sampler(folder)
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    model = iadb.load(folder)
    for call in (model.sample, model.trajectory):
        with pytest.raises(ValueError, match=r"model does not load as a SavedModel: ") as raised:
            call(1)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("write", [write_sampler, write_with_network])
def test_a_student_of_fixed_steps_takes_them_and_is_not_inverted(tmp_path, write):
    write(tmp_path, shape=SHAPE, fixed_steps=True, nb_step=2)
    student = iadb.load(tmp_path)
    np.testing.assert_array_equal(student.sample(2, nb_step=9), student.sample(2))
    assert student.trajectory(2, nb_step=9).shape == (2, 3, *SHAPE)
    with pytest.raises(ValueError, match=r"knows its own steps alone: invert with its teacher"):
        student.invert(np.zeros((1, *SHAPE), np.uint8))


@pytest.mark.parametrize(
    ("notes", "teacher"),
    [
        ({"teacher_model": 5}, "model 5 (`iadb models`)"),  # a pushed one
        ({}, "artifacts/5/Format-Serving"),
    ],
)
def test_the_teacher_of_a_student_is_named_by_its_number(tmp_path, notes, teacher):
    (tmp_path / METADATA).parent.mkdir()
    about = {"nb_step": 2, "shape": SHAPE, "fixed_steps": True, **notes}
    about["teacher"] = "artifacts/5/Format-Serving"
    (tmp_path / METADATA).write_text(json.dumps(about))
    with pytest.raises(ValueError) as raised:
        iadb.Model(tmp_path).invert(np.zeros((1, *SHAPE), np.uint8))
    assert str(raised.value).endswith(f" with its teacher, {teacher}")


def test_samples_are_those_of_the_command(model):
    images = model.sample(20, seed=3)
    np.testing.assert_array_equal(images, draw_samples(read_model(model.folder), range(3, 23)))
    assert (images.dtype, images.shape) == (np.uint8, (20, *SHAPE))


def test_a_model_in_use_draws_on_when_retention_removes_its_folder(model, tmp_path):
    copied = iadb.load(shutil.copytree(model.folder, tmp_path / "model"))
    x0 = copied.noise(4)
    before = copied.sample(4), copied.trajectory(2, nb_step=3), copied.transport(x0, label="dog")
    shutil.rmtree(copied.folder)
    after = copied.sample(4), copied.trajectory(2, nb_step=3), copied.transport(x0, label="dog")
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_label_the_classes_are_drawn_in_turn(model):
    images = model.sample(4, seed=1)
    for i, label in enumerate([*model.labels[1:], *model.labels, *model.labels][:4]):
        alone = model.sample(1, seed=1 + i, label=label)[0].astype(int)
        assert np.abs(images[i] - alone).max() <= 1
    assert np.any(images != model.sample(4, seed=1, label=""))


def test_the_noise_of_a_seed_leads_to_its_sample(model):
    x0 = model.noise(20, seed=3)
    images = model.transport(x0, label="dog")
    difference = images.astype(int) - model.sample(20, seed=3, label="dog")
    assert np.abs(difference).max() <= 1


def test_a_trajectory_ends_at_the_sample(model):
    states = model.trajectory(2, seed=3, nb_step=5)
    assert states.shape == (2, 6, *SHAPE)
    np.testing.assert_array_equal(states[:, -1], model.sample(2, seed=3, nb_step=5))


def test_an_inverted_sample_leads_back_to_itself(model):
    images = model.sample(6, seed=3, nb_step=64)
    back = model.transport(model.invert(images, nb_step=64), nb_step=64)
    assert np.median(np.abs(back.astype(int) - images)) <= 1


def test_the_way_between_two_seeds_has_their_samples_at_its_ends(model):
    way = model.interpolate(3, 5, 4)
    assert way.shape == (4, *SHAPE)
    ends = np.stack([model.sample(1, seed=seed, label="")[0] for seed in (3, 5)])
    assert np.abs(way[[0, -1]].astype(int) - ends).max() <= 1
    between = model.interpolate(model.noise(seed=3)[0], 5, 4)
    np.testing.assert_array_equal(between, way)


def test_images_of_any_size_and_files_are_translated(translator, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    (tmp_path / "image.png").write_bytes(encode_png(image))
    given = [image, encode_png(image), tmp_path / "image.png", image[:9, :9], image]
    results = translator.translate(given, seed=7)
    assert (results.dtype, results.shape) == (np.uint8, (5, *SHAPE))
    many = translator.translate([image] * 20, seed=7)  # more than one request may hold
    assert np.abs(many[:2].astype(int) - results[:2]).max() <= 1
    assert np.abs(many[-1].astype(int) - translator.translate([image], seed=26)[0]).max() <= 1
    assert translator.translate([]).shape == (0, *SHAPE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.sample(label="cow"), "label 'cow': unknown"),
        (lambda model: model.sample(nb_step=9999), "9999 solver steps: .* takes at most"),
        (
            lambda model: model.transport(np.zeros([8, 8, 3])),
            r"shape \('N', 8, 8, 3\), got \(8, 8, 3\)",
        ),
        (lambda model: model.invert(np.zeros([1, 8, 8, 3])), "expected images of type uint8"),
        (lambda model: model.sample(2, seed=2**63 - 1), f"got {2**63 - 1} to {2**63}$"),
        (lambda model: model.trajectory(2, seed=2**63 - 1), f"^seed={2**63 - 1}: expected seeds "),
        (lambda model: model.noise(2, seed=np.int64(2**63 - 1)), f"^seed={2**63 - 1}: expected "),
        (lambda model: model.interpolate(0, -(2**63) - 1), f"^seed={-(2**63) - 1}: expected "),
        (lambda model: model.sample(seed=1.5), r"^seed=1.5: expected a whole number$"),
        (lambda model: model.sample(0), "count=0: expected a whole number of at least 1"),
        (lambda model: model.sample(nb_step=0), "nb_step=0: expected a whole number of at least 1"),
        (lambda model: model.sample(nb_step=2.5), "nb_step=2.5: expected a whole number"),
        (lambda model: model.trajectory(nb_step="3"), "nb_step='3': expected a whole number"),
        (
            lambda model: model.transport(np.zeros([1, *SHAPE], np.uint8)),
            "x0 of type float",
        ),
        (lambda model: model.transport(np.full([1, *SHAPE], np.nan)), "x0 contains NaN"),
        (lambda model: model.interpolate(np.zeros(SHAPE, np.uint8), 0), "become x0 by invert"),
        (
            lambda model: model.interpolate(model.noise(1), 0),
            r"a seed or one x0 of shape \(8, 8, 3\), got an array of \(1, 8, 8, 3\)$",
        ),
        (lambda model: model.translate([]), "draws images from noise; it translates none"),
    ],
)
def test_what_a_model_cannot_do_is_one_line(model, call, message):
    with pytest.raises(ValueError, match=message) as raised:
        call(model)
    assert "\n" not in str(raised.value)


def test_a_translator_does_not_draw_and_says_which_file_is_no_image(translator):
    with pytest.raises(ValueError, match="translates images: call translate, not sample"):
        translator.sample()
    with pytest.raises(ValueError, match="translates images: call translate, not invert"):
        translator.invert(np.zeros([1, *SHAPE], np.uint8))
    with pytest.raises(ValueError, match=r"^images, row 1: not an image$"):
        translator.translate([encode_png(np.zeros([8, 8, 3], np.uint8)), b"text"])
    with pytest.raises(ValueError, match=f"^seed={2**63}: expected seeds from "):
        translator.translate([np.zeros([8, 8, 3], np.uint8)], seed=2**63)


@pytest.mark.parametrize("shape", [(8, 8), (0, 8, 3), (8, 0, 3), (8, 8, 0), (8, 8, 2), (8, 8, 5)])
def test_an_array_that_is_no_image_is_reported_with_its_shape(translator, shape):
    with pytest.raises(ValueError, match=r"^expected images of type uint8 and shape") as raised:
        translator.translate([np.zeros(shape, np.uint8)])
    assert str(raised.value).endswith(f"got uint8 {shape}")


def test_a_damaged_file_is_named_by_its_row_among_all(translator):
    image = encode_png(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"^images, row 18: damaged or truncated") as raised:
        translator.translate([*[image] * 18, image[:-30], image])  # of 16 in a request
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("one", ["image.png", b"image", Path("image.png")])
def test_one_image_in_place_of_a_list_is_reported(translator, one):
    with pytest.raises(ValueError, match=r"^expected a list of images, got one "):
        translator.translate(one)


def test_a_model_that_maps_sources_inverts_images_to_them(tmp_path):
    write_translator(tmp_path, Source(degrade=None, use="map"), SHAPE, nb_step=64)
    model = iadb.load(tmp_path)
    sources = np.random.default_rng(0).integers(64, 192, (2, *SHAPE), np.uint8)
    images = model.translate(list(sources))
    back = model.invert(images)
    assert back.dtype == np.uint8
    changes, errors = (np.abs(x.astype(float) - sources).mean() for x in (images, back))
    assert errors < changes / 8
    assert model.invert(images[:0]).shape == (0, *SHAPE)


def test_samples_need_no_tensorflow_beside_a_network(workspace):
    program = f"""import sys
sys.modules["tensorflow"] = None  # its import fails
import iadb
print(iadb.load({str(workspace)!r}).sample(2).shape)"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 8, 8, 3)", done.stderr


def test_the_keras_model_has_the_same_door():
    from trainer.iadb import IADBModel

    assert iadb.IADBModel is IADBModel
    with pytest.raises(AttributeError, match="no attribute 'IADB'"):
        iadb.IADB  # noqa: B018


def test_images_of_a_list_of_seeds_are_those_of_each_seed(model):
    seeds = [9, 3, -4]
    each = [model.sample(1, seed=seed, label="cat")[0] for seed in seeds]
    np.testing.assert_array_equal(model.sample(seeds=seeds, label="cat"), each)
    ways = [model.trajectory(seed=seed, label="cat")[0] for seed in seeds]
    np.testing.assert_array_equal(model.trajectory(seeds=seeds, label="cat"), ways)
    noise = [model.noise(seed=seed)[0] for seed in seeds]
    np.testing.assert_array_equal(model.noise(seeds=np.array(seeds)), noise)


@pytest.mark.parametrize("seeds", [[], [0.5], [2**63], ["3"]])
def test_what_is_no_list_of_seeds_is_refused(model, seeds):
    with pytest.raises(ValueError, match="seed"):
        model.sample(seeds=seeds)


def test_more_images_than_fit_into_the_memory_are_refused_at_once(model):
    for draw in (model.sample, model.trajectory, model.noise):
        with pytest.raises(ValueError, match="GiB"):
            draw(10**12)


def test_a_picture_is_read_from_a_file_or_from_pillow_as_pixels_of_the_model(model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "picture.png")
    read = model.read(tmp_path / "picture.png")
    center = picture.resize((8, 8), Image.Resampling.BICUBIC, box=(4, 0, 20, 16))
    assert np.abs(read.astype(int) - np.asarray(center)).max() <= 1
    for other in (picture, (tmp_path / "picture.png").read_bytes()):
        np.testing.assert_array_equal(model.read(other), read)
    assert model.invert([read, read], label="cat").shape == (2, *SHAPE)
    with pytest.raises(ValueError, match="not an image"):
        model.read(b"junk")


def test_pictures_of_pillow_are_translated_like_their_files(translator, tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    picture.save(tmp_path / "picture.png")
    expected = translator.translate([tmp_path / "picture.png"])
    np.testing.assert_array_equal(translator.translate([picture]), expected)
