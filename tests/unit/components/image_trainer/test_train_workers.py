"""The Trainer with two workers, processes that a stand-in for a cluster starts."""

import os

import numpy as np
import pytest
import tensorflow as tf
from trainer_data import train

from components.image_trainer.job_options import VARIABLE
from components.image_trainer.tfjob import TFJobError
from pipeline import failures
from pipeline.evaluation.transform_graph import write_transform_graph
from pipeline.registry import serving
from trainer.common import exit_codes
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions

CUSTOM_CONFIG = {
    "model": ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4),
    "train": TrainOptions(warmup_steps=1, batch_size=8, grid_every=1000),
    "sample": SampleOptions(nb_step=2),
}
JOINING = "tests.unit.components.image_trainer.joining_run_fn.run_fn"
SMALL = "tests.unit.components.image_trainer.small_run_fn.run_fn"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with examples and their transform graph; read-only."""
    folder = tmp_path_factory.mktemp("inputs")
    for split in ("train", "eval"):
        path = folder / "examples" / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
        path.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for value in range(16):
                png = tf.io.encode_png(np.full((4, 4, 1), value * 16, np.uint8)).numpy()
                texts = {"image": png, "label": b""}
                features = {
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
                    for name, text in texts.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    write_transform_graph((4, 4, 1), str(folder / "transform_graph"))
    return folder


@pytest.fixture
def folder(inputs, tmp_path, cluster, job_options, monkeypatch):
    """A folder with examples, on which trainings run in two workers."""
    for name in ("examples", "transform_graph"):
        (tmp_path / name).symlink_to(inputs / name)
    monkeypatch.setenv(VARIABLE, job_options.model_dump_json())
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    return tmp_path


def custom_config(folder):
    sections = {key: value.model_dump(mode="json") for key, value in CUSTOM_CONFIG.items()}
    return sections | {
        "resolution": 4,
        "channels": 1,
        "split": {},
        "conversion": {},
        "checkpoints": str(folder / "checkpoints"),
        "latest_samples": str(folder / "latest.png"),
        "source_hash": "0" * 16,
    }


def test_two_workers_meet_and_the_chief_writes_the_model(folder, cluster, capfd):
    model = train(folder, JOINING, custom_config(folder), 3)
    assert (model / "trained").read_text() == "3 steps by 2 workers"
    assert_two_workers_ran(cluster, capfd)


def assert_two_workers_ran(cluster, capfd):
    output = capfd.readouterr().out
    for index in range(2):
        assert f"  worker {index}:   waiting for all 2 workers of TF_CONFIG" in output
    assert len(cluster.created) == 1


@pytest.mark.slow
def test_two_workers_train_one_model_and_the_chief_exports_it(folder, cluster, capfd):
    model = train(folder, SMALL, custom_config(folder), 3)
    sampler = tf.saved_model.load(str(model))
    images = sampler.signatures["generate"](
        seed=tf.constant([1, 2], tf.int64), nb_step=tf.constant(2)
    )["image"]
    assert images.shape == (2, 4, 4, 1)
    assert serving.read_metadata(model)["config"]["train"]["steps"] == 3
    assert list(folder.glob("checkpoints/*/ckpt-3.index"))
    assert_two_workers_ran(cluster, capfd)
    assert not list(folder.glob("model_run/*.pkl"))


RAISING = """
from trainer.labels import TooFewClassesError
def run_fn(fn_args):
    raise TooFewClassesError("one class")
"""


@pytest.mark.slow
def test_wrong_data_in_the_workers_are_the_error_of_the_node_with_its_exit_code(
    folder, monkeypatch
):
    (folder / "raising.py").write_text(RAISING)
    monkeypatch.setenv("PYTHONPATH", f"{os.getcwd()}:{folder}")
    with pytest.raises(
        TFJobError,
        match=r"^TFJob images/iadb-train-\w{10}: worker [01] exited with code \d+ \(Error\): "
        r".*TooFewClassesError: one class$",
    ) as error:
        train(folder, "raising.run_fn", custom_config(folder), 3)
    assert failures.describe(error.value)[0] == exit_codes.DATA
