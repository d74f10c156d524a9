"""The pipeline as a job of Vertex AI, compared with a stored one.

    PYTHONPATH=. .venv/bin/python tests/unit/pipeline/runners/test_vertex.py

stores it anew; read the difference before it is committed.
"""

import json
from pathlib import Path
from unittest import mock

import pytest
from tfx.utils import import_utils

from components.data_gate.component import DataVerdict
from components.drift_gate.artifact import DriftVerdict
from components.real_features.artifact import ImageFeatures
from pipeline import graph
from pipeline.cluster.vertex import compile_job
from pipeline.config import ConfigError, load
from pipeline.runners.vertex import VertexCompileError, write_job

GOLDEN = Path(__file__).parent / "golden" / "vertex.json"
LOCATIONS = graph.Locations("gs://bucket/artifacts", "gs://bucket/checkpoints", "gs://bucket/serve")
OVERRIDES = [
    "data.folder=gs://bucket/images",
    "vertex.image=registry/iadb-tfx:1",
    "vertex.cpu=8",
    "vertex.memory=32",
    "vertex.gpu=2",
    "vertex.gpu_type=NVIDIA_TESLA_T4",
]


def write(output, *overrides, locations=LOCATIONS, **kwargs):
    config = load("digits", overrides=[*OVERRIDES, *overrides])
    kwargs = {"earlier_models": False, **kwargs}
    with mock.patch.object(graph, "source_hash", lambda *names: "0" * 16):
        pipeline = graph.create_pipeline(config, locations, "feature { name: 'image' }", **kwargs)
    write_job(pipeline, config.vertex, output)
    return json.loads(output.read_text())


def without_options(job):
    """Leaves out what the components are told as JSON, which Vertex AI only hands on."""
    for task in job["pipelineSpec"]["root"]["dag"]["tasks"].values():
        for name, value in task["inputs"].get("parameters", {}).items():
            if name in ("image_options", "window_options", "options", "custom_config", "text"):
                value["runtimeValue"]["constant"] = "..."
    return job


def test_the_job_is_the_stored_one(tmp_path):
    job = without_options(write(tmp_path / "job.json"))
    assert job == json.loads(GOLDEN.read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_gpus_go_to_the_nodes_that_compute_on_them_and_cpus_to_all(tmp_path):
    job = write(tmp_path / "job.json")
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    resources = {name: value["container"]["resources"] for name, value in executors.items()}
    with_gpu = {name.removesuffix("_executor") for name, r in resources.items() if len(r) == 3}
    assert with_gpu == {"Trainer", "RealFeatures", "SampleEvaluator"}
    assert len(resources) == 10
    for each in resources.values():
        assert (each["cpuLimit"], each["memoryLimit"]) == (8.0, 32.0)


def test_nothing_is_asked_for_where_nothing_is_set(tmp_path):
    job = write(tmp_path / "job.json", "vertex.gpu=0", "vertex.cpu=null", "vertex.memory=null")
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    assert not any("resources" in executor["container"] for executor in executors.values())


def test_a_folder_that_is_not_set_has_to_be_given_with_each_run(tmp_path):
    job = write(tmp_path / "job.json", "data.folder=null")
    assert set(job["runtimeConfig"]["parameterValues"]) == {"span", "steps", "samples"}
    assert "data_folder" in job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]


def test_a_pipeline_that_vertex_cannot_run_is_refused(tmp_path):
    output = tmp_path / "job.json"
    with pytest.raises(VertexCompileError, match="DriftReference: Vertex AI only runs TFX's own"):
        write(output, earlier_models=True)
    with pytest.raises(VertexCompileError, match="root is /here: Vertex AI needs gs://"):
        write(output, locations=graph.Locations("/here", "/there", "/serving"))
    assert not output.exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.warm_start=true", r"^train\.warm_start=true needs the models of earlier runs"),
        ("drift.on_drift=hold", r"^drift\.on_drift=hold needs the images of earlier runs"),
    ],
)
def test_a_configuration_that_vertex_cannot_run_is_refused(tmp_path, override, message):
    config = load("digits", overrides=[*OVERRIDES, override])
    with pytest.raises(ConfigError, match=message):
        compile_job(config, tmp_path / "job.json")
    assert not list(tmp_path.iterdir())


def test_everything_a_job_writes_lies_below_the_configured_root(tmp_path):
    config = load("digits", overrides=[*OVERRIDES, "vertex.root=gs://bucket/mine"])
    compile_job(config, tmp_path / "job.json")
    text = (tmp_path / "job.json").read_text()
    for folder in ("artifacts", "checkpoints", "serving"):
        assert f"gs://bucket/mine/{folder}" in text


@pytest.mark.parametrize(
    "root", ["/mnt/iadb", "s3://bucket/iadb", "gs://", "gs://b b/c", "gs://b/"]
)
def test_a_root_that_is_not_on_cloud_storage_is_refused(root):
    with pytest.raises(ConfigError, match=r"^vertex\.root: got "):
        load("digits", overrides=[f"vertex.root='{root}'"])


@pytest.mark.parametrize("kind", [DataVerdict, DriftVerdict, ImageFeatures])
def test_vertex_finds_the_type_of_an_artifact_by_its_name(kind):
    assert import_utils.import_class_by_path(kind.TYPE_NAME) is kind


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(without_options(write(GOLDEN)), indent=1, sort_keys=True) + "\n")
