import functools
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from trainer.fit.checkpoint_files import list_steps

TRAIN = """
import functools
import json
import os
import sys
import numpy as np
import tensorflow as tf
from tests import quick_tensorflow, small_network
trainings = json.loads(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
most = max(each["devices"] for each in trainings)
configuration = [tf.config.LogicalDeviceConfiguration()] * most
tf.config.set_logical_device_configuration(cpu, configuration)
quick_tensorflow.quicken()
import trainer.build
import trainer.student.build
import trainer.train
from trainer.dataset import TrainingData
from trainer.fit.stored_weights import save_weights
from trainer.names import METADATA
from trainer.networks.unet import build_unet
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions

def preprocess(serialized):
    numbers = tf.strings.to_number(serialized) / 16 - 1
    return {"image": tf.broadcast_to(numbers[:, None, None, None], [tf.shape(numbers)[0], 4, 4, 1])}

@functools.cache  # a second one for the same devices would number its reductions from the start
def choose_strategy(devices):
    names = [f"CPU:{i}" for i in range(devices)]
    return tf.distribute.MirroredStrategy(names) if devices > 1 else tf.distribute.get_strategy()

def train(folder, steps, devices, precision, network, teacher, options):
    os.makedirs(folder, exist_ok=True)
    with tf.io.TFRecordWriter(f"{folder}/records.gz", "GZIP") as writer:
        for number in range(32):
            writer.write(str(number))
    strategy = choose_strategy(devices)
    build = small_network.build_unet if network == "small" else build_unet
    trainer.build.build_unet = trainer.student.build.build_unet = build
    model = ModelOptions(channels=(8,), attention=(False,), blocks=2, norm_groups=4)
    trained = trainer.train.train(
        TrainingData([f"{folder}/records.gz"], preprocess, (4, 4, 1)),
        strategy,
        model_options=model,
        train_options=TrainOptions(
            steps=steps, warmup_steps=1, batch_size=8, precision=precision, seed=3,
            decay="constant", checkpoint={"every_seconds": 1}, **options,
        ),
        sample_options=SampleOptions(nb_step=2),
        checkpoints_folder=f"{folder}/state",
        log_folder=f"{folder}/logs",
        latest_samples=f"{folder}/latest.png",
        base_model=teacher and f"{teacher}/model/Format-Serving",
        is_student=teacher is not None,
    )
    sampler = f"{folder}/model/Format-Serving"
    save_weights(trained.model, sampler)
    os.makedirs(os.path.dirname(f"{sampler}/{METADATA}"), exist_ok=True)
    config = {"model": model.model_dump(mode="json"), "sample": {}}
    with open(f"{sampler}/{METADATA}", "w") as file:
        json.dump({"config": config, "shape": [4, 4, 1], "split": {}, "conversion": {}}, file)
    weights = trained.model.network.get_weights() + trained.model.ema_network.get_weights()
    np.savez(f"{folder}/weights.npz", *weights)
    return trained.metrics["resumed_from_step"]

results = []
for each in trainings:
    try:
        results.append(train(**each))
    except Exception as error:
        results.append(f"{type(error).__name__}: {error}")
print(json.dumps(results))
"""


def training(
    folder, steps, devices=1, precision="float32", network="small", teacher=None, **options
):
    """Arguments of a training; the small network is that of tests/small_network.py.

    A teacher is the folder of an earlier one, of which this is a student by mean flow.
    """
    return {
        "folder": str(folder),
        "steps": steps,
        "devices": devices,
        "precision": precision,
        "network": network,
        "teacher": teacher and str(teacher),
        "options": options,
    }


def start(*trainings):
    """Starts a process with these trainings, one after another."""
    command = [sys.executable, "-c", TRAIN, json.dumps(trainings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def train(*trainings):
    """Trains in one process; returns what it printed, and from which step each went on.

    In the place of the step, a training that failed has its error.
    """
    process = start(*trainings)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-2000:]
    return out, json.loads(out.splitlines()[-1])


def weights(folder):
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        return [arrays[key] for key in arrays.files]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of several trainings, what they printed and how each went, by name."""
    folder = tmp_path_factory.mktemp("trainings")
    student = functools.partial(training, teacher=folder / "one")
    trainings = {
        "one": training(folder / "one", 6),
        "straight": training(folder / "straight", 6, devices=2),
        "one by adam": training(folder / "one by adam", 3, optimizer="adam"),
        "two by adam": training(folder / "two by adam", 3, devices=2, optimizer="adam"),
        "stopped": training(folder / "stopped", 3, devices=2),
        "resumed": training(folder / "stopped", 6, devices=2),
        "U-Net": training(folder / "U-Net", 2, precision="float16", network="U-Net"),
        "replicas": training(folder / "replicas", 2, 2, precision="float16"),
        "undivided": training(folder / "undivided", 2, devices=3),
        "accumulated": training(folder / "accumulated", 2, devices=2, accumulate=2),
        "student": student(folder / "student", 4),
        "student on two": student(folder / "student on two", 2, devices=2),
        "resumed student": student(folder / "student on two", 4, devices=2),
        "float16 student": student(folder / "float16 student", 2, precision="float16"),
    }
    printed, results = train(*trainings.values())
    return folder, printed, dict(zip(trainings, results, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("names", [("one", "straight"), ("one by adam", "two by adam")])
def test_two_replicas_reach_the_weights_of_one(trained, names):
    folder, _, results = trained
    assert [results[name] for name in names] == [0, 0]
    # Steps are 1e-3; where a gradient is mere rounding error, Adam takes about 1e-5.
    for one, other in zip(*(weights(folder / name) for name in names), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_students_on_two_replicas_that_are_resumed_reach_the_weights_of_one(trained):
    folder, printed, results = trained
    named = ("student", "student on two", "resumed student")
    assert [results[name] for name in named] == [0, 0, 2]
    assert printed.count("  resuming from step 2\n") == 1
    of_one, of_two = (weights(folder / name) for name in named[:2])
    for one, other in zip(of_one, of_two, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_resumed_replicas_reach_the_weights_of_those_that_never_stopped(trained):
    folder, printed, results = trained
    assert (results["straight"], results["stopped"], results["resumed"]) == (0, 0, 3)
    assert printed.count("  resuming from step 3\n") == 1
    straight, stopped = (weights(folder / name) for name in ("straight", "stopped"))
    for one, other in zip(straight, stopped, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["U-Net", "replicas", "float16 student"])
def test_the_unet_replicas_and_students_train_to_finite_weights_in_float16(trained, name):
    folder, _, results = trained
    assert results[name] == 0
    assert all(np.isfinite(array).all() for array in weights(folder / name))


@pytest.mark.slow
def test_a_batch_that_the_replicas_do_not_divide_is_rejected(trained):
    expected = "ValueError: train.batch_size=8 is not divisible by the 3 replicas"
    assert trained[2]["undivided"].startswith(expected)


@pytest.mark.slow
def test_accumulating_gradients_on_several_replicas_is_rejected(trained):
    expected = "ValueError: train.accumulate=2 needs a single replica, but there are 2"
    assert trained[2]["accumulated"].startswith(expected)


@pytest.mark.slow
def test_sigterm_saves_a_finite_state_of_low_precision_and_terminates_the_process(tmp_path):
    process = start(training(tmp_path, 100_000, precision="bfloat16"))
    state = str(tmp_path / "state")
    deadline = time.monotonic() + 300
    while not list_steps(state) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    before = max(list_steps(state))
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=200)
    assert process.returncode == 128 + signal.SIGTERM
    saved = max(list_steps(state))
    assert saved > before
    reader = tf.train.load_checkpoint(f"{state}/ckpt-{saved}")
    floats = [name for name, kind in reader.get_variable_to_dtype_map().items() if kind.is_floating]
    assert floats
    assert all(np.isfinite(reader.get_tensor(name)).all() for name in floats)
