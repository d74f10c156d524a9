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
import json
import sys
import numpy as np
import tensorflow as tf
devices, precision, steps, folder = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
network, options = sys.argv[5], json.loads(sys.argv[6])
cpu = tf.config.list_physical_devices("CPU")[0]
configuration = [tf.config.LogicalDeviceConfiguration()] * devices
tf.config.set_logical_device_configuration(cpu, configuration)
import trainer.train
from tests import small_network
from trainer.dataset import TrainingData
from trainer.options import ModelOptions, SampleOptions, TrainOptions
if network == "small":
    trainer.train.build_unet = small_network.build_unet

records = [str(number) for number in range(32)]
with tf.io.TFRecordWriter(f"{folder}/records.gz", "GZIP") as writer:
    for record in records:
        writer.write(record)

def preprocess(serialized):
    numbers = tf.strings.to_number(serialized) / 16 - 1
    return {"image": tf.broadcast_to(numbers[:, None, None, None], [tf.shape(numbers)[0], 4, 4, 1])}

names = [f"CPU:{i}" for i in range(devices)]
strategy = tf.distribute.MirroredStrategy(names) if devices > 1 else tf.distribute.get_strategy()
trained = trainer.train.train(
    TrainingData([f"{folder}/records.gz"], preprocess, (4, 4, 1)),
    strategy,
    model_options=ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4),
    train_options=TrainOptions(
        steps=steps, warmup_steps=1, batch_size=8, precision=precision, seed=3, decay="constant",
        checkpoint={"every_seconds": 1}, **options,
    ),
    sample_options=SampleOptions(nb_step=2),
    checkpoints_folder=f"{folder}/state",
    log_folder=f"{folder}/logs",
    latest_samples=f"{folder}/latest.png",
)
print(trained.metrics["resumed_from_step"])
weights = trained.model.network.get_weights() + trained.model.ema_network.get_weights()
np.savez(f"{folder}/weights{steps}-{devices}.npz", *weights)
"""


def start(*arguments, network="small", **options):
    command = [sys.executable, "-c", TRAIN, *map(str, arguments), network, json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def train(*arguments, network="small"):
    process = start(*arguments, network=network)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err[-2000:]
    return out


def weights(folder, name):
    with np.load(folder / f"weights{name}.npz", allow_pickle=False) as arrays:
        return [arrays[key] for key in arrays.files]


@pytest.mark.slow
def test_two_replicas_reach_the_weights_of_one_even_when_resumed(tmp_path):
    network = "U-Net"
    for name in ("one", "straight", "stopped"):
        (tmp_path / name).mkdir()
    train(1, "float32", 6, tmp_path / "one", network=network)
    train(2, "float32", 6, tmp_path / "straight", network=network)
    train(2, "float32", 3, tmp_path / "stopped", network=network)
    out = train(2, "float32", 6, tmp_path / "stopped", network=network)
    assert out.startswith("  resuming from step 3\n")
    assert out.endswith("\n3\n")
    straight, stopped = (weights(tmp_path / name, "6-2") for name in ("straight", "stopped"))
    # Steps are 1e-3; where a gradient is mere rounding error, Adam takes about 1e-5.
    for one, other in zip(weights(tmp_path / "one", "6-1"), straight, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    for one, other in zip(straight, stopped, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "devices", "network"),
    [("bfloat16", 1, "U-Net"), ("float16", 2, "small"), ("float16", 2, "U-Net")],
)
def test_low_precision_trains_to_finite_weights(tmp_path, precision, devices, network):
    train(devices, precision, 4, tmp_path, network=network)
    assert all(np.isfinite(array).all() for array in weights(tmp_path, f"4-{devices}"))


@pytest.mark.slow
def test_a_batch_that_the_replicas_do_not_divide_is_rejected(tmp_path):
    process = start(3, "float32", 2, tmp_path)
    _, err = process.communicate(timeout=200)
    assert "train.batch_size=8 is not divisible by the 3 replicas" in err


@pytest.mark.slow
def test_accumulating_gradients_on_several_replicas_is_rejected(tmp_path):
    process = start(2, "float32", 2, tmp_path, accumulate=2)
    _, err = process.communicate(timeout=200)
    assert "train.accumulate=2 needs a single replica, but there are 2" in err


def test_sigterm_saves_a_finite_state_of_low_precision_and_terminates_the_process(tmp_path):
    process = start(1, "bfloat16", 100_000, tmp_path)
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
