import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.build import build_model
from trainer.dataset import TrainingData
from trainer.fit.stored_weights import (
    AVERAGE,
    GUIDE,
    RAW,
    MisfitError,
    by_conversion,
    load_weights,
    save_weights,
)
from trainer.fit.warm_start import warm_start
from trainer.names import METADATA
from trainer.ode.options import SampleOptions
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions, TrainOptions
from trainer.serving.sampler import Sampler
from trainer.source.options import Source
from trainer.train import train

pytestmark = pytest.mark.usefixtures("small_network")

SHAPE = (4, 4, 1)
MODEL = {
    "channels": (8,),
    "attention": (False,),
    "blocks": 1,
    "norm_groups": 4,
    "attention_head_dim": 4,
}
SAMPLE = SampleOptions(nb_step=2)
SPLIT = {"data.eval_percent": 10}
DESCRIBED = {"config": {"model": {}}, "shape": SHAPE, "split": {}, "conversion": {}}


def options(**changes):
    return ModelOptions(**(MODEL | changes))


def build(model_options, seed=7, precision="float32"):
    train_options = TrainOptions(steps=10, warmup_steps=1, seed=seed, precision=precision)
    return build_model(model_options, train_options, SAMPLE, SHAPE)


def preprocess(serialized):
    numbers = tf.strings.to_number(serialized) / 16 - 1
    return {"image": tf.broadcast_to(numbers[:, None, None, None], [tf.shape(numbers)[0], *SHAPE])}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("examples") / "records.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number in range(32):
            writer.write(str(number))
    return [path]


def run(files, folder, base=None, *, warm=True, steps=2, seed=7):
    return train(
        TrainingData(files, preprocess, SHAPE, split=SPLIT),
        tf.distribute.get_strategy(),
        model_options=options(),
        train_options=TrainOptions(
            steps=steps,
            warmup_steps=1,
            batch_size=8,
            decay="constant",
            warm_start=warm,
            seed=seed,
        ),
        sample_options=SAMPLE,
        checkpoints_folder=f"{folder}/state",
        log_folder=f"{folder}/logs",
        latest_samples=f"{folder}/latest.png",
        base_model=base,
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory, files, small_network):
    """A model as the Trainer exports it, trained until it has learned something."""
    folder = tmp_path_factory.mktemp("base")
    model = run(files, folder, warm=False, steps=400, seed=1).model
    sampler = str(folder / "model" / "Format-Serving")
    config = {"model": options().model_dump(mode="json")}
    metadata = {"shape": SHAPE, "config": config, "split": SPLIT, "conversion": {}}
    Sampler(model.sampling_network, SHAPE, Sampling("euler", nb_step=2)).save(sampler, metadata)
    save_weights(model, sampler)
    return sampler, model


@pytest.fixture(scope="module")
def cold(base, files, tmp_path_factory):
    """A training that starts cold although there is a base."""
    return run(files, tmp_path_factory.mktemp("cold"), base[0], warm=False)


@pytest.fixture(scope="module")
def warm(base, files, tmp_path_factory):
    """A warm training, its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("warm")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        trained = run(files, folder, base[0])
    return trained, folder, out.getvalue()


def copy_of(base, folder):
    """Copies a base, to be damaged; returns its sampler's path and the folder of its weights."""
    shutil.copytree(base[0].rpartition("/")[0], folder / "model")
    return str(folder / "model" / "Format-Serving"), folder / "model" / "network"


def weights(model):
    return model.network.get_weights() + model.ema_network.get_weights()


def assert_equal(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def differ(some, others):
    return any(np.any(one != other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_network_and_average_start_from_those_of_the_base(base, dropout, precision):
    sampler, source = base
    assert differ(source.network.get_weights(), source.ema_network.get_weights())
    model = build(options(dropout=dropout), precision=precision)
    lines = []
    assert (
        warm_start(model, sampler, options(dropout=dropout), SHAPE, [], SPLIT, lines.append)
        == sampler
    )
    assert_equal(weights(model), weights(source))
    assert model.step.numpy() == 0
    assert lines == [f"warm start from the latest blessed model, {sampler}"]


@pytest.mark.slow
def test_a_warm_training_reports_it_and_starts_with_a_lower_loss_than_a_cold_one(base, warm, cold):
    trained, _, out = warm
    assert out.startswith(f"  warm start from the latest blessed model, {base[0]}\n")
    assert trained.warm_started_from == base[0]
    assert cold.warm_started_from is None
    assert trained.metrics["loss"] < 0.7 * cold.metrics["loss"]


@pytest.mark.slow
def test_the_average_soon_follows_the_new_weights(base, warm):
    start = base[1].ema_network.get_weights()
    model = warm[0].model
    ends, averages = model.network.get_weights(), model.ema_network.get_weights()
    moved = sum(np.sum((a - b) ** 2) for a, b in zip(ends, start, strict=True))
    left = sum(np.sum((a - b) ** 2) for a, b in zip(ends, averages, strict=True))
    assert left < 0.1 * moved


@pytest.mark.slow
def test_a_resumed_warm_training_reaches_the_weights_of_an_uninterrupted_one(
    base, warm, files, tmp_path, capsys
):
    straight = run(files, tmp_path / "straight", base[0], steps=4).model
    shutil.copytree(warm[1], tmp_path / "stopped")
    resumed = run(files, tmp_path / "stopped", base[0], steps=4)
    assert resumed.metrics["resumed_from_step"] == 2
    assert resumed.warm_started_from == base[0]
    assert "\n  resuming from step 2\n" in capsys.readouterr().out
    assert_equal(weights(resumed.model), weights(straight))


@pytest.mark.slow
def test_without_a_base_a_cold_start_is_reported(cold, files, tmp_path, capsys):
    trained = run(files, tmp_path)
    assert capsys.readouterr().out.startswith(
        "  cold start: there is no blessed model yet that was trained on other examples\n"
        "  loss: between 1 and 2 "
    )
    assert trained.warm_started_from is None
    assert_equal(weights(trained.model), weights(cold.model))


@pytest.mark.parametrize(
    ("changes", "there", "here"),
    [
        ({"channels": (16,)}, "model.channels=[8]", "model.channels=[16]"),
        ({"alpha_scale": 1.0}, "model.alpha_scale=1000.0", "model.alpha_scale=1.0"),
        ({"norm_groups": 2}, "model.norm_groups=4", "model.norm_groups=2"),
        (
            {"blocks": 2, "attention": (True,)},
            "model.blocks=1, model.attention=[false]",
            "model.blocks=2, model.attention=[true]",
        ),
    ],
)
def test_another_network_is_reported_and_started_cold(base, changes, there, here):
    model = build(options(**changes))
    before = weights(model)
    lines = []
    assert warm_start(model, base[0], options(**changes), SHAPE, [], SPLIT, lines.append) is None
    assert lines == [f"cold start: the model {base[0]} has {there}; this configuration has {here}"]
    assert_equal(weights(model), before)


@pytest.mark.parametrize(("sides", "resolution"), [((8, 8), "8"), ((4, 6), "[4, 6]")])
def test_another_image_shape_is_reported(base, sides, resolution):
    with pytest.raises(MisfitError) as error:
        load_weights(build(options()), base[0], options(), (*sides, 3), [], SPLIT)
    assert str(error.value) == (
        f"the model {base[0]} has data.resolution=4, data.channels=1; "
        f"this configuration has data.resolution={resolution}, data.channels=3"
    )


def remove(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("damage", [remove, truncate])
@pytest.mark.parametrize("name", [RAW, AVERAGE, GUIDE])
def test_damaged_weights_are_reported_and_leave_the_model_unchanged(base, tmp_path, name, damage):
    sampler, network = copy_of(base, tmp_path)
    damage(network / name)
    model = build(options())
    before = weights(model)
    lines = []
    assert warm_start(model, sampler, options(), SHAPE, [], SPLIT, lines.append) is None
    (line,) = lines
    assert line.startswith(f"cold start: {network / name} cannot be read (")
    assert "\n" not in line
    assert_equal(weights(model), before)


@pytest.fixture(scope="module")
def damaged(base, files, tmp_path_factory):
    """A training whose base was damaged, its folder, that base, and its weights' folder."""
    folder = tmp_path_factory.mktemp("damaged")
    sampler, network = copy_of(base, folder)
    truncate(network / AVERAGE)
    return run(files, folder, sampler), folder, sampler, network


@pytest.mark.slow
def test_a_training_whose_base_is_damaged_starts_cold(cold, damaged):
    trained, *_ = damaged
    assert trained.warm_started_from is None
    assert_equal(weights(trained.model), weights(cold.model))


def test_weights_of_another_network_than_the_metadata_describe_leave_the_model_unchanged(
    base, tmp_path
):
    sampler, network = copy_of(base, tmp_path)
    build(options(blocks=2)).ema_network.save_weights(network / AVERAGE)
    model = build(options())
    before = weights(model)
    with pytest.raises(MisfitError, match=r"ema\.weights\.h5 cannot be read"):
        load_weights(model, sampler, options(), SHAPE, [], SPLIT)
    assert_equal(weights(model), before)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "[]",
        "{}",
        json.dumps(DESCRIBED | {"config": {"model": {"depth": 3}}}),
        json.dumps(DESCRIBED | {"shape": [4]}),
    ],
)
def test_metadata_that_do_not_describe_a_network_are_reported_in_one_line(base, tmp_path, content):
    sampler, _ = copy_of(base, tmp_path)
    path = tmp_path / "model" / "Format-Serving" / METADATA
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(MisfitError) as error:
        load_weights(build(options()), sampler, options(), SHAPE, [], SPLIT)
    assert str(error.value).startswith(f"{path} cannot be read (")
    assert "\n" not in str(error.value)


def test_another_split_is_reported_because_the_base_may_have_seen_held_out_images(base):
    with pytest.raises(MisfitError) as error:
        load_weights(build(options()), base[0], options(), SHAPE, [], {"data.eval_percent": 20})
    assert str(error.value) == (
        f"the model {base[0]} has data.eval_percent=10; this configuration has data.eval_percent=20"
    )


def test_a_base_whose_near_duplicates_were_grouped_is_not_used_for_a_split_without_groups(
    base, tmp_path
):
    sampler, _ = copy_of(base, tmp_path)
    path = Path(sampler) / METADATA
    metadata = json.loads(path.read_text())
    metadata["split"]["data.near_duplicates"] = "group"
    path.write_text(json.dumps(metadata))
    with pytest.raises(MisfitError, match=r'has data\.near_duplicates="group"; .*=null'):
        load_weights(build(options()), sampler, options(), SHAPE, [], SPLIT)


@pytest.mark.parametrize(("there", "here"), [("pad", "crop"), ("crop", "pad")])
def test_a_base_of_images_that_became_other_pixels_may_have_seen_held_out_ones(
    base, tmp_path, there, here
):
    sampler, _ = copy_of(base, tmp_path)
    path = Path(sampler) / METADATA
    path.write_text(json.dumps(json.loads(path.read_text()) | {"conversion": {"fit": there}}))
    split = SPLIT | by_conversion({"fit": here})
    with pytest.raises(MisfitError, match=f'has data.fit="{there}"; .* data.fit="{here}"'):
        load_weights(build(options()), sampler, options(), SHAPE, [], split)
    load_weights(build(options()), sampler, options(), SHAPE, [], SPLIT | {"data.fit": there})


@pytest.mark.slow
def test_a_resumed_training_remembers_its_base_even_if_the_base_changed_since(
    base, warm, damaged, files, tmp_path, capsys
):
    raw = Path(base[0]).parent / "network" / RAW
    shutil.copytree(warm[1], tmp_path / "warm")
    content = raw.read_bytes()
    try:
        truncate(raw)
        resumed = run(files, tmp_path / "warm", base[0], steps=4)
    finally:
        raw.write_bytes(content)
    assert resumed.warm_started_from == base[0]
    _, folder, sampler, network = damaged
    shutil.copytree(folder, tmp_path / "cold")
    shutil.copy(Path(base[0]).parent / "network" / AVERAGE, network)
    assert run(files, tmp_path / "cold", sampler, steps=4).warm_started_from is None
    assert "cold start" not in capsys.readouterr().out


def test_other_classes_are_reported(base):
    with pytest.raises(MisfitError) as error:
        load_weights(build(options()), base[0], options(), SHAPE, ["cat", "dog"], SPLIT)
    assert str(error.value) == (
        f'the model {base[0]} has labels=[]; this configuration has labels=["cat", "dog"]'
    )


def test_another_use_of_sources_is_reported(base):
    source = Source(degrade="downscale 2", use="map")
    lines = []
    found = warm_start(build(options()), base[0], options(), SHAPE, [], SPLIT, lines.append, source)
    assert found is None
    assert lines == [
        f"cold start: the model {base[0]} has data.degrade=null, model.source=null, "
        'model.source_noise=null; this configuration has data.degrade="downscale 2", '
        'model.source="map", model.source_noise=0.0'
    ]


def test_a_model_of_pairs_is_no_base_for_sources_without_pairs(base):
    source = Source(degrade=None, use="map", paired=False)
    lines = []
    warm_start(build(options()), base[0], options(), SHAPE, [], SPLIT, lines.append, source)
    assert 'data.pairing="name"' in lines[0].partition("; this configuration has ")[0]
    assert 'data.pairing="none"' in lines[0].partition("; this configuration has ")[2]


def train_student(folder, base):
    """Takes one step."""
    path = str(folder / "images.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for _ in range(8):
            writer.write(tf.train.Example().SerializeToString())

    def white(serialized):
        return {"image": tf.ones([tf.shape(serialized)[0], *SHAPE])}

    return train(
        TrainingData([path], white, SHAPE, split=SPLIT),
        tf.distribute.get_strategy(),
        model_options=options(),
        train_options=TrainOptions(steps=1, warmup_steps=0, batch_size=8),
        sample_options=SAMPLE,
        checkpoints_folder=str(folder / "state"),
        log_folder=str(folder / "logs"),
        latest_samples=str(folder / "latest.png"),
        base_model=base,
        is_student=True,
    )


def test_a_student_without_the_weights_of_its_teacher_is_an_error(base, tmp_path):
    sampler, folder = copy_of(base, tmp_path)
    path = Path(sampler, METADATA)
    metadata = json.loads(path.read_text())
    metadata["config"]["sample"] = SAMPLE.model_dump(mode="json")
    path.write_text(json.dumps(metadata))
    (folder / AVERAGE).unlink()
    with pytest.raises(MisfitError, match=AVERAGE):
        train_student(tmp_path, sampler)


@pytest.mark.slow
def test_a_warm_training_keeps_the_guide_of_its_base(base, warm, cold):
    guides = [model.guide.network.get_weights() for model in (base[1], warm[0].model, cold.model)]
    for ours, warmed, own in zip(*guides, strict=True):
        np.testing.assert_array_equal(warmed, ours)
        assert np.any(own != ours)
