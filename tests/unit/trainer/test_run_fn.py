import copy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from pipeline.registry import serving
from tests.small_network import build_unet
from trainer.fit.folder_lock import FolderInUseError
from trainer.fit.stored_weights import MisfitError
from trainer.light.sampler import LightSampler, has_network
from trainer.names import NETWORK
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.records import DamagedExamplesError, fingerprint
from trainer.run_fn import run_fn, state_key
from trainer.serving import onnx_network

CONFIG = {
    "model": {"channels": [8]},
    "train": {"steps": 10, "warm_start": True, "log_every": 5},
    "resolution": 8,
    "channels": 1,
    "source_hash": "0" * 16,
    "split": {"holdout": None},
    "conversion": {},
}


def test_trainings_from_different_base_models_have_separate_checkpoints():
    assert len({state_key(CONFIG, "5a", base) for base in ("", "c1", "c2")}) == 3


def test_a_base_model_is_chosen_anew_where_other_images_are_held_out():
    other = CONFIG | {"split": {"holdout": "/held-out"}}
    assert state_key(other, "5a", "c1") != state_key(CONFIG, "5a", "c1")
    assert state_key(other, "5a", "") == state_key(CONFIG, "5a", "")  # the images are the same


def test_a_student_has_checkpoints_of_its_own():
    keys = {state_key(config, "5a", "c1") for config in (CONFIG, CONFIG | {"student": True})}
    assert len(keys) == 2


def test_logging_options_do_not_separate_checkpoints():
    other = CONFIG | {"train": CONFIG["train"] | {"log_every": 6}}
    assert state_key(other, "5a", "") == state_key(CONFIG, "5a", "")


def key_of(fn_args, config):
    """The key of a training without a base model."""
    examples = [str(each) for each in Path(fn_args.train_files[0]).parent.iterdir()]
    return state_key(config, fingerprint(examples), fingerprint([]))


def feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def make_arguments(folder, transform_graph):
    """Arguments of a training of two steps on black images, 2x2."""
    png = tf.io.encode_png(tf.zeros([2, 2, 1], tf.uint8)).numpy()
    features = tf.train.Features(feature={"image": feature(png), "label": feature(b"")})
    (folder / "examples").mkdir()
    with tf.io.TFRecordWriter(str(folder / "examples" / "1.gz"), "GZIP") as writer:
        for _ in range(4):
            writer.write(tf.train.Example(features=features).SerializeToString())
    model = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
    train = TrainOptions(steps=2, warmup_steps=0, decay="constant", batch_size=4)
    return FnArgs(
        train_files=[str(folder / "examples" / "*")],
        eval_files=[str(folder / "examples" / "*")],
        transform_graph_path=transform_graph(("", ""), conditional=False),
        serving_model_dir=str(folder / "model" / "Format-Serving"),
        model_run_dir=str(folder / "model_run"),
        base_model=None,
        custom_config={
            "model": model.model_dump(mode="json"),
            "train": train.model_dump(mode="json"),
            "sample": SampleOptions(nb_step=2).model_dump(mode="json"),
            "resolution": 2,
            "channels": 1,
            "conversion": {"fit": "pad", "background": "#000000"},
            "split": {},
            "checkpoints": str(folder / "checkpoints"),
            "latest_samples": str(folder / "latest.png"),
            "source_hash": "0" * 16,
        },
    )


@pytest.fixture
def fn_args(tmp_path, transform_graph, small_network):
    """Arguments of a training that was not begun."""
    return make_arguments(tmp_path, transform_graph)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, transform_graph, small_network):
    """Arguments of a training that has ended, whose model is there.

    Its network has just as many weights as are converted.
    """
    made = make_arguments(tmp_path_factory.mktemp("trained"), transform_graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.light.network_file.MAX_WEIGHTS", count_weights(made))
        run_fn(made)
    return made


def count_weights(fn_args):
    options = ModelOptions.model_validate(fn_args.custom_config["model"])
    return build_unet(options, (2, 2, 1)).count_params()


@pytest.fixture
def resumed(trained, tmp_path):
    """Arguments of a training that has ended, for another model of the same weights."""
    made = copy.deepcopy(trained)
    made.serving_model_dir = str(tmp_path / "model" / "Format-Serving")
    made.model_run_dir = str(tmp_path / "model_run")
    return made


@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b"", lambda b: b"\0" * len(b)])
def test_a_damaged_file_of_examples_is_named_with_what_is_to_be_removed(fn_args, damage):
    folder = Path(fn_args.train_files[0]).parent
    shutil.copy(folder / "1.gz", folder / "0.gz")
    (folder / "1.gz").write_bytes(damage((folder / "1.gz").read_bytes()))
    with pytest.raises(DamagedExamplesError) as error:
        run_fn(fn_args)
    assert str(error.value) == (
        f"{folder}/1.gz is damaged: remove {folder.parent}, which `iadb run` then makes again"
    )


def test_sources_that_are_not_paired_are_read_from_splits_of_their_own(fn_args, monkeypatch):
    found = []

    def train(data, *_, **__):
        found.append(data)
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.run_fn.train", train)
    folder = Path(fn_args.train_files[0]).parent
    for name in ("train", "eval", "source_train", "source_eval"):
        shutil.copytree(folder, folder.parent / "1" / f"Split-{name}")
    fn_args.train_files = [f"{folder.parent}/1/Split-train/*"]
    fn_args.eval_files = [f"{folder.parent}/1/Split-eval/*"]
    for paired in (True, False):
        fn_args.custom_config["source"] = {"degrade": None, "use": "map", "paired": paired}
        with pytest.raises(KeyboardInterrupt):
            run_fn(fn_args)
    assert not found[0].sources
    assert found[1].sources == [f"{folder.parent}/1/Split-source_train/1.gz"]
    assert found[1].held_out_sources == [f"{folder.parent}/1/Split-source_eval/1.gz"]


@pytest.fixture
def student(trained, tmp_path, transform_graph):
    """Arguments of a student of the model that is there."""
    made = make_arguments(tmp_path, transform_graph)
    made.base_model = trained.serving_model_dir
    sample = SampleOptions(solver="euler", nb_step=4)
    made.custom_config |= {"student": True, "sample": sample.model_dump(mode="json")}
    return made


@pytest.mark.slow
def test_a_student_is_exported_with_its_own_steps_and_its_teacher(student):
    run_fn(student)
    model = Path(student.serving_model_dir)
    metadata = serving.read_metadata(model)
    assert (metadata["nb_step"], metadata["nfe"], metadata["fixed_steps"]) == (4, 4, True)
    assert metadata["teacher"] == metadata["warm_started_from"] == student.base_model
    sampler = tf.saved_model.load(str(model))
    assert "invert" not in sampler.signatures
    generate = sampler.signatures["generate"]
    drawn = generate(seed=tf.range(5, dtype=tf.int64), nb_step=tf.constant(1))["image"]
    light = LightSampler(model).generate(np.arange(5), 4, [""] * 5)
    assert np.abs(drawn.numpy().astype(int) - light).max() <= 1


@pytest.mark.slow
def test_a_student_that_takes_other_steps_is_not_trained_again(student, tmp_path):
    run_fn(student)
    student.custom_config["sample"]["nb_step"] = 1
    student.serving_model_dir = str(tmp_path / "other" / "Format-Serving")
    run_fn(student)
    metadata = serving.read_metadata(Path(student.serving_model_dir))
    assert metadata["metrics"]["resumed_from_step"] == metadata["metrics"]["steps"] == 2
    assert metadata["metrics"]["held_out_loss"] > 0
    assert metadata["nb_step"] == 1
    images = LightSampler(Path(student.serving_model_dir)).generate(np.arange(5), 1, [""] * 5)
    assert images.shape == (5, 2, 2, 1)


@pytest.mark.slow
def test_a_student_learns_from_the_guided_slopes_of_a_teacher_with_autoguidance(
    student, tmp_path, transform_graph, monkeypatch
):
    (tmp_path / "guided").mkdir()
    teacher = make_arguments(tmp_path / "guided", transform_graph)
    teacher.custom_config["train"]["guide_after"] = 0.5
    guidance = {"autoguidance": 3.0, "autoguidance_interval": (0.2, 0.8)}
    sample = SampleOptions(nb_step=2, **guidance).model_dump(mode="json")
    teacher.custom_config["sample"] = sample
    run_fn(teacher)
    found = []

    def student_of(learned, *_):
        found.append(learned)
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.student.build.student_of", student_of)
    student.base_model = teacher.serving_model_dir
    with pytest.raises(KeyboardInterrupt):
        run_fn(student)
    exported = tf.saved_model.load(teacher.serving_model_dir).signatures["slope"]
    x = tf.random.stateless_normal([3, 2, 2, 1], [0, 0])
    alpha = tf.constant([0.1, 0.5, 0.9])
    slopes = exported(x_alpha=x, alpha=alpha)["difference"]
    np.testing.assert_allclose(found[0]()(x, alpha), slopes, atol=1e-5)
    alone = found[0].network([x, alpha])
    assert [bool(np.abs(each).max() > 1e-6) for each in slopes - alone] == [False, True, False]


def test_a_student_whose_teacher_was_damaged_is_not_trained(student, tmp_path):
    damaged = tmp_path / "damaged" / "Format-Serving"
    shutil.copytree(Path(student.base_model).parent, damaged.parent)
    (damaged.parent / "network" / "ema.weights.h5").write_bytes(b"no weights")
    student.base_model = str(damaged)
    with pytest.raises(MisfitError, match=r"ema\.weights\.h5 cannot be read"):
        run_fn(student)


def test_the_network_is_beside_a_model_that_computes_as_it_does(trained):
    images = LightSampler(Path(trained.serving_model_dir)).generate(np.arange(5), 2, [""] * 5)
    assert images.shape == (5, 2, 2, 1)


@pytest.fixture
def chosen(fn_args, monkeypatch):
    """Arguments of a training that chooses its precision."""
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    fn_args.custom_config["train"]["precision"] = "auto"
    return fn_args


@pytest.mark.slow
def test_the_precision_that_was_chosen_is_that_of_the_training_and_its_checkpoints(
    chosen, monkeypatch, capfd
):
    monkeypatch.setattr("trainer.light.cpu.multiplies", lambda name: True)
    config = chosen.custom_config
    run_fn(chosen)
    assert "  train.precision=auto: bfloat16, " in capfd.readouterr().out
    model = Path(chosen.serving_model_dir)
    assert serving.read_metadata(model)["config"]["train"]["precision"] == "bfloat16"
    assert has_network(model)
    set_to_it = config | {"train": config["train"] | {"precision": "bfloat16"}}
    key = key_of(chosen, set_to_it)
    assert [each.name for each in Path(config["checkpoints"]).iterdir() if each.is_dir()] == [key]


def test_where_bfloat16_is_not_supported_the_training_is_in_float32(chosen, monkeypatch, capfd):
    found = []

    def train(*_, train_options, **__):
        found.append(train_options.precision)
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.light.cpu.multiplies", lambda name: False)
    monkeypatch.setattr("trainer.run_fn.train", train)
    with pytest.raises(KeyboardInterrupt):
        run_fn(chosen)
    assert "  train.precision=auto: float32, " in capfd.readouterr().out
    assert found == ["float32"]


@pytest.mark.slow
def test_autoguidance_can_be_set_after_a_training_which_is_not_repeated(trained, resumed):
    alone = LightSampler(Path(trained.serving_model_dir)).generate(np.arange(5), 2, [""] * 5)
    guided = SampleOptions(nb_step=2, autoguidance=100.0).model_dump(mode="json")
    resumed.custom_config["sample"] = guided
    run_fn(resumed)
    model = Path(resumed.serving_model_dir)
    metadata = serving.read_metadata(model)
    assert metadata["metrics"]["resumed_from_step"] == metadata["metrics"]["steps"] == 2
    assert metadata["nfe"] == 4
    signatures = tf.saved_model.load(str(model)).signatures
    assert "slope" in signatures
    drawn = signatures["generate"](seed=tf.range(5, dtype=tf.int64), nb_step=tf.constant(2))
    light = LightSampler(model).generate(np.arange(5), 2, [""] * 5)
    assert np.abs(drawn["image"].numpy().astype(int) - light).max() <= 1
    assert np.any(light != alone)
    assert serving.check(model).returncode == 0


@pytest.mark.slow
def test_both_networks_of_an_autoguided_model_count_for_the_memory_of_a_conversion(
    trained, resumed, monkeypatch
):
    sample = SampleOptions(nb_step=2, autoguidance=2.0)
    resumed.custom_config["sample"] = sample.model_dump(mode="json")
    monkeypatch.setattr("trainer.light.network_file.MAX_WEIGHTS", count_weights(resumed))
    run_fn(resumed)
    assert not has_network(Path(resumed.serving_model_dir))
    assert has_network(Path(trained.serving_model_dir))


def test_a_model_is_complete_where_its_network_cannot_be_converted(
    trained, resumed, monkeypatch, caplog
):
    def fail(evaluate, folder):
        raise ValueError("too large\nfor ONNX")

    monkeypatch.setattr(onnx_network, "convert", fail)
    run_fn(resumed)
    assert "the network is not beside the model as ONNX: too large" in caplog.text
    files, expected = (
        {path.relative_to(folder.parent) for path in folder.parent.rglob("*")}
        for folder in (Path(each.serving_model_dir) for each in (resumed, trained))
    )
    assert files == expected - {Path("Format-Serving", NETWORK)}


HOLD = """
import sys, time
from trainer.fit.folder_lock import folder_locked
with folder_locked(sys.argv[1], "trains"):
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_a_second_training_of_the_same_model_names_the_first_and_waits_for_its_end(
    resumed, tmp_path
):
    key = key_of(resumed, resumed.custom_config)
    folder = f"{resumed.custom_config['checkpoints']}/{key}"
    command = [sys.executable, "-c", HOLD, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "locked\n"
        with pytest.raises(FolderInUseError) as error:
            run_fn(resumed)
        assert str(error.value).startswith(f"{folder} is in use by process {first.pid} on ")
        assert len(str(error.value).splitlines()) == 1
        assert not (tmp_path / "model").exists()
        first.kill()
    run_fn(resumed)
    assert (tmp_path / "model").exists()


def test_a_worker_that_is_not_the_chief_writes_nothing(fn_args, tmp_path, monkeypatch):
    strategy = tf.distribute.OneDeviceStrategy("cpu:0")
    monkeypatch.setattr(type(strategy.extended), "should_checkpoint", False)
    monkeypatch.setattr("trainer.run_fn.choose_strategy", lambda: strategy)
    before = sorted(tmp_path.rglob("*"))
    run_fn(fn_args)
    assert sorted(tmp_path.rglob("*")) == before
