import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from PIL import Image

from pipeline.config.pipeline_config import load
from pipeline.estimate.earlier import find_cached, find_earlier, goes_on, plan
from pipeline.estimate.images import list_files
from pipeline.graph import Locations, create_pipeline
from pipeline.registry.lineage import Node, Run
from trainer.names import METADATA

STARTED = datetime(2026, 11, 20)
DATA_NODES = {
    "ImageExampleGen",
    "SchemaImporter",
    "StatisticsGen",
    "ExampleValidator",
    "DataGate",
    "DriftGate",
    "Transform",
    "RealFeatures",
}


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "1.png")
    return folder


def planned(images, *overrides):
    config = load("digits", overrides=[f"data.folder={images}", *overrides])
    locations = Locations("artifacts", "checkpoints", "serving", "latest.png")
    pipeline = create_pipeline(config, locations, schema="")
    return plan(pipeline, list_files(config.data))


def recorded(plan, tmp_path, resumed_from=0):
    """The run that was planned, as TFX would have recorded it."""
    run = Run("run-1")
    for number, (node, properties) in enumerate(plan.properties.items(), 1):
        texts = {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in properties.items()
        }
        run.nodes.append(Node(node, "done", STARTED, 10.0, texts))
        key = {"Trainer": "model", "Student": "model"}.get(node, "output")
        (tmp_path / node).mkdir(exist_ok=True)
        run.artifacts[node, key] = mlmd.Artifact(
            id=number, uri=str(tmp_path / node), state=mlmd.Artifact.LIVE
        )
    for node in ("Trainer", "Student"):
        metadata = tmp_path / node / "Format-Serving" / METADATA
        metadata.parent.mkdir(parents=True, exist_ok=True)
        metadata.write_text(json.dumps({"metrics": {"resumed_from_step": resumed_from}}))
    return run


def test_a_training_that_was_stopped_goes_on_unless_it_or_its_images_changed(images, tmp_path):
    run = recorded(planned(images), tmp_path)
    assert not goes_on("Trainer", planned(images), [run])
    run.nodes = [replace(n, state="failed") if n.id == "Trainer" else n for n in run.nodes]
    assert goes_on("Trainer", planned(images), [run])
    assert not goes_on("Trainer", planned(images, "train.batch_size=7"), [run])
    Image.fromarray(np.ones((8, 8), np.uint8)).save(images / "2.png")
    assert not goes_on("Trainer", planned(images), [run])
    assert not goes_on("Trainer", planned(images), [])


def test_a_run_that_was_made_before_is_cached(images, tmp_path):
    plan = planned(images)
    assert find_cached(plan, [recorded(plan, tmp_path)]) == plan.properties.keys()
    assert find_cached(plan, []) == set()


def test_after_another_training_the_images_are_cached(images, tmp_path):
    run = recorded(planned(images), tmp_path)
    assert find_cached(planned(images, "train.steps=7"), [run]) == DATA_NODES


def test_nothing_that_reads_the_images_is_cached_after_one_arrived(images, tmp_path):
    run = recorded(planned(images), tmp_path)
    Image.fromarray(np.ones((8, 8), np.uint8)).save(images / "2.png")
    assert find_cached(planned(images), [run]) == {"SchemaImporter"}


def test_removed_files_are_not_cached(images, tmp_path):
    plan = planned(images)
    run = recorded(plan, tmp_path)
    run.artifacts["Trainer", "model"].state = mlmd.Artifact.DELETED
    assert find_cached(plan, [run]) == DATA_NODES
    (tmp_path / "RealFeatures").rmdir()  # by hand, so that nothing recorded it
    assert find_cached(plan, [run]) == DATA_NODES - {"RealFeatures"}


def test_an_earlier_run_tells_of_the_same_work_on_other_amounts(images, tmp_path):
    run = recorded(planned(images), tmp_path)
    Image.fromarray(np.ones((8, 8), np.uint8)).save(images / "2.png")
    more = find_earlier(planned(images, "train.steps=7", "evaluate.samples=50"), [run])
    assert {"ImageExampleGen", "Trainer", "SampleEvaluator", "StatisticsGen"} <= more.keys()
    assert (more["Trainer"].seconds, more["Trainer"].started) == (10.0, STARTED)


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ("data.resolution=16", {"ImageExampleGen", "Trainer", "SampleEvaluator"}),
        ("train.batch_size=8", {"Trainer"}),
        ("model.blocks=1", {"Trainer", "SampleEvaluator"}),
        ("evaluate.features=random_conv", {"RealFeatures", "SampleEvaluator"}),
    ],
)
def test_other_work_is_not_known(images, tmp_path, change, unknown):
    run = recorded(planned(images), tmp_path)
    known = find_earlier(planned(images, change), [run])
    assert not known.keys() & unknown
    assert ("ImageExampleGen" in known) == ("ImageExampleGen" not in unknown)


def test_a_resumed_training_tells_nothing(images, tmp_path):
    plan = planned(images)
    run = recorded(plan, tmp_path, resumed_from=100)
    assert "Trainer" not in find_earlier(plan, [run])
