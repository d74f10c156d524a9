"""Two processes on loopback train the same model as one."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import trainer.build
from tests.ports import reserved_port
from tests.small_network import build_unet
from trainer.build import build_model
from trainer.dataset import TrainingData
from trainer.fit.checkpoint import Checkpoints
from trainer.fit.checkpoint_files import list_steps
from trainer.fit.precision import resolve_precision
from trainer.fit.workers import check_same_start, choose_strategy, is_chief
from trainer.light import cpu
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.train import train

pytestmark = pytest.mark.usefixtures("small_network")

MODEL = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
SAMPLE = SampleOptions(nb_step=2)
STEPS = 6
RAMP = np.float32([0.0, 0.2, 0.4, 0.6])  # makes a flip visible


def options(steps):
    return TrainOptions(
        steps=steps,
        warmup_steps=1,
        decay="constant",
        batch_size=8,
        clip_norm=0.1,  # the gradients of this network are larger
        seed=3,
        flip=True,
        augment=0.3,
        shuffle_buffer=16,
        log_every=1,
        checkpoint={"every_images": 400, "every_seconds": 1000},
    )


def preprocess(serialized):
    numbers = tf.strings.to_number(serialized) / 16 - 1
    return {
        "image": numbers[:, None, None, None] + tf.tile(RAMP[None, None, :, None], [1, 4, 1, 1])
    }


def poisoned(serialized):
    return {"image": tf.fill([tf.shape(serialized)[0], 4, 4, 1], float("nan"))}


def run(folder, strategy, steps, state, logs, preprocess=preprocess):
    return train(
        TrainingData([f"{folder}/records.gz"], preprocess, (4, 4, 1)),
        strategy,
        model_options=MODEL,
        train_options=options(steps),
        sample_options=SAMPLE,
        checkpoints_folder=f"{folder}/{state}",
        log_folder=f"{folder}/{logs}",
        latest_samples=f"{folder}/{logs}/latest.png",
    )


def variables(model):
    """The variables of network, average and optimizer."""
    every = model.network.variables + model.ema_network.variables + model.optimizer.variables
    return [np.array(variable.value.numpy()) for variable in every]


def work(folder, index):
    """Runs the stages of one worker, which is killed in the last."""
    trainer.build.build_unet = build_unet
    strategy = choose_strategy()
    seen = {"chief": is_chief(strategy), "precisions": []}
    for supporting in (0, 1), (0,):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cpu, "multiplies", lambda name, those=supporting: index in those)
            resolved, _ = resolve_precision(TrainOptions(precision="auto"), strategy)
        seen["precisions"].append(resolved.precision)

    def failure(*arguments):
        with pytest.raises(Exception) as caught:
            run(folder, strategy, *arguments)
        return f"{caught.type.__name__}: {caught.value}"

    run(folder, strategy, STEPS // 2, f"state{index}", f"logs{index}")
    strategy.gather(tf.constant([0]), axis=0)  # waits until the chief has saved
    seen["apart"] = failure(STEPS, f"state{index}", "apart")
    with pytest.raises(ValueError) as caught:
        check_same_start(strategy, 0, [np.full([3], index, np.float32)])
    seen["other weights"] = str(caught.value)
    seen["diverged"] = failure(STEPS, "diverged", f"diverged{index}", poisoned)
    trained = run(folder, strategy, STEPS, "state0", f"logs{index}")
    seen["metrics"] = trained.metrics
    np.savez(f"{folder}/{index}.npz", *variables(trained.model))
    Path(f"{folder}/{index}.json").write_text(json.dumps(seen))
    strategy.gather(tf.constant([0]), axis=0)
    run(folder, strategy, 10**6, "state0", "endless")


def train_on(folder, index):
    """Trains until this worker or the other is killed."""
    trainer.build.build_unet = build_unet
    run(folder, choose_strategy(), 10**6, "endless", f"endless_logs{index}")


class Pair:
    """Two workers, one of which was killed during training: how the other ended.

    Attributes:
        error: stderr of the other.
        returned: its exit code.
    """

    def __init__(self, folder, work, state, killed):
        with contextlib.ExitStack() as held:
            ports = [held.enter_context(reserved_port()) for _ in range(2)]
            pair = [start(folder, work, index, ports) for index in range(2)]
            for process in pair:
                held.callback(process.kill)
            wait(lambda: saved_step(folder / state) > STEPS, pair)
            pair[killed].kill()
            other = pair[1 - killed]
            _, self.error = other.communicate(timeout=600)
            self.returned = other.returncode


def start(folder, work, index, ports):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
    command = f"import sys, test_workers; test_workers.{work.__name__}(sys.argv[1], {index})"
    return subprocess.Popen(
        [sys.executable, "-c", command, str(folder)],
        env={
            **os.environ,
            "TF_CONFIG": json.dumps(config),
            "PYTHONPATH": str(Path(__file__).parent),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(condition, processes):
    deadline = time.monotonic() + 500
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def saved_step(state):
    return max(list_steps(str(state)), default=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    with tf.io.TFRecordWriter(str(folder / "records.gz"), "GZIP") as writer:
        for number in range(20):
            writer.write(str(number))
    return folder


@pytest.fixture(scope="module")
def killed_worker(folder):
    return Pair(folder, work, "state0", killed=1)


@pytest.fixture(scope="module")
def seen(killed_worker, folder):
    """What each worker recorded before the last stage."""
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(2)]


@pytest.fixture(scope="module")
def single(folder, small_network):
    """The same training in one uninterrupted process."""
    return run(folder, tf.distribute.get_strategy(), STEPS, "single", "single_logs")


def saved_variables(folder, index):
    with np.load(folder / f"{index}.npz") as arrays:
        return [arrays[key] for key in arrays.files]


def points(folder, tag):
    events = EventAccumulator(str(folder))
    events.Reload()
    return [make_ndarray(event.tensor_proto) for event in events.Tensors(tag)]


@pytest.mark.slow
def test_two_resumed_workers_reach_the_state_of_one_process(seen, single, folder):
    expected = variables(single.model)
    for index in range(2):
        for ours, theirs in zip(saved_variables(folder, index), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)  # of steps of 1e-3
    assert seen[0]["metrics"]["resumed_from_step"] == STEPS // 2
    assert seen[0]["metrics"]["loss"] == pytest.approx(single.metrics["loss"])


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["loss", "gradient_norm"])
def test_losses_and_gradients_of_each_step_are_those_of_one_process(seen, single, folder, tag):
    ours, theirs = points(folder / "logs0", tag), points(folder / "single_logs", tag)
    assert len(theirs) == STEPS
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.slow
def test_only_the_chief_writes(seen, folder):
    assert [worker["chief"] for worker in seen] == [True, False]
    assert (folder / "state0").exists()
    assert (folder / "logs0").exists()
    assert not (folder / "state1").exists()
    assert not (folder / "logs1").exists()
    assert seen[1]["metrics"]["loss"] is None


@pytest.mark.slow
def test_workers_train_in_bfloat16_if_all_of_them_multiply_it(seen):
    for worker in seen:
        assert worker["precisions"] == ["bfloat16", "float32"]


@pytest.mark.slow
def test_workers_that_find_different_checkpoints_refuse_to_train(seen):
    for worker in seen:
        assert worker["apart"].startswith(
            f"ValueError: the workers found checkpoints of different steps ([{STEPS // 2}, 0])"
        )


@pytest.mark.slow
def test_workers_that_start_from_different_weights_refuse_to_train(seen):
    for worker in seen:
        assert worker["other weights"].startswith(
            "the workers start from different weights at step 0: all of them need"
        )


@pytest.mark.slow
def test_a_divergence_stops_every_worker_at_the_same_step(seen, folder):
    for worker in seen:
        assert worker["diverged"] == (
            "TrainingDivergedError: the loss is nan at step 1: lower train.learning_rate, of a "
            "student distill.learning_rate (`iadb distill --learning-rate`)"
        )
    assert not (folder / "diverged").exists()


def check_that_the_other_ended(pair, state):
    """Checks that it reported why in one line and that the checkpoints are valid."""
    assert pair.returned == 1
    assert pair.error.splitlines()[-1] == (
        "trainer.fit.workers.WorkerLostError: another worker ended or its connection failed; "
        "restart all workers to resume from the last checkpoint"
    )
    model = build_model(MODEL, options(STEPS), SAMPLE, (4, 4, 1))
    checkpoints = Checkpoints(str(state), model, keep=2)
    assert checkpoints.restore()
    assert checkpoints.step == saved_step(state) > STEPS
    assert all(np.isfinite(array).all() for array in variables(model))


@pytest.mark.slow
def test_a_killed_worker_stops_the_chief_and_leaves_the_checkpoint_valid(killed_worker, folder):
    check_that_the_other_ended(killed_worker, folder / "state0")


@pytest.mark.slow
def test_a_killed_chief_stops_the_other_worker_and_leaves_the_checkpoint_valid(folder):
    check_that_the_other_ended(Pair(folder, train_on, "endless", killed=0), folder / "endless")


CLUSTER = {"worker": ["a:1", "b:2"]}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{", "invalid JSON"),
        (json.dumps({"cluster": {"ps": ["a:1"]}}), "cluster.ps: "),
        (json.dumps({"cluster": {"worker": "a:1"}}), "cluster.worker: "),
        (json.dumps({"cluster": CLUSTER}), "task is missing"),
        (
            json.dumps({"cluster": CLUSTER, "task": {"type": "evaluator", "index": 0}}),
            "task.type: ",
        ),
        (
            json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}),
            "the cluster has no worker 2",
        ),
    ],
)
def test_a_malformed_cluster_is_reported_in_one_line(monkeypatch, config, expected):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="TF_CONFIG") as caught:
        choose_strategy()
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("config", ["", "{}", '{"cluster": {"chief": ["a:1"]}}'])
def test_a_single_worker_is_not_a_cluster(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    strategy = choose_strategy()
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)
