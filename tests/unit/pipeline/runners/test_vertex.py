"""The pipeline compiled as a job of Vertex AI."""

import json

import pytest
from tfx.utils import import_utils

from components.data_gate.component import DataVerdict
from components.drift_gate.artifact import DriftVerdict
from components.real_features.artifact import ImageFeatures
from pipeline import graph
from pipeline.cluster.vertex import compile_job
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.runners.gpu import GPU_NODES
from pipeline.runners.vertex import VertexCompileError, write_job

LOCATIONS = graph.Locations.below("gs://bucket")
OVERRIDES = [
    "data.folder=gs://bucket/images",
    "vertex.image=registry/iadb-tfx:1",
    "vertex.cpu=8",
    "vertex.memory=32",
    "vertex.gpu=2",
    "vertex.gpu_type=NVIDIA_TESLA_T4",
]
UPSTREAM = {
    "ImageExampleGen": set(),
    "SchemaImporter": set(),
    "StatisticsGen": {"ImageExampleGen", "SchemaImporter"},
    "ExampleValidator": {"StatisticsGen", "SchemaImporter"},
    "DataGate": {"ExampleValidator"},
    "Transform": {"ImageExampleGen", "SchemaImporter"},
    "Trainer": {"ImageExampleGen", "Transform", "DataGate"},
    "RealFeatures": {"ImageExampleGen", "Transform", "DataGate"},
    "SampleEvaluator": {"ImageExampleGen", "Transform", "Trainer", "RealFeatures"},
    "Pusher": {"ImageExampleGen", "Trainer", "SampleEvaluator"},
}


def write(output, *overrides, locations=LOCATIONS, earlier_models=False):
    config = load("digits", overrides=[*OVERRIDES, *overrides])
    pipeline = graph.create_pipeline(
        config, locations, "feature { name: 'image' }", earlier_models=earlier_models
    )
    write_job(pipeline, config.vertex, output)
    return json.loads(output.read_text())


def containers(job):
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    return {name.removesuffix("_executor"): each["container"] for name, each in executors.items()}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vertex")
    job = write(folder / "job.json")
    assert [path.name for path in folder.iterdir()] == ["job.json"]
    return job


def test_the_job_has_the_nodes_of_the_pipeline_in_their_order(job):
    assert job["pipelineSpec"]["schemaVersion"] == "2.1.0"
    assert job["pipelineSpec"]["pipelineInfo"] == {"name": "digits"}
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()} == UPSTREAM
    assert all(task["cachingOptions"] == {"enableCache": True} for task in tasks.values())


def test_the_pusher_gets_what_the_card_is_made_of(job):
    inputs = job["pipelineSpec"]["root"]["dag"]["tasks"]["Pusher"]["inputs"]["artifacts"]
    assert inputs.keys() == {"model", "model_blessing", "evaluation", "examples"}


def test_runtime_parameters_have_the_configuration_as_default(job):
    config = load("digits")
    parameters = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    assert {name: each["parameterType"] for name, each in parameters.items()} == {
        "data_folder": "STRING",
        "span": "STRING",
        "steps": "NUMBER_INTEGER",
        "samples": "NUMBER_INTEGER",
    }
    assert job["runtimeConfig"] == {
        "gcsOutputDirectory": "gs://bucket/artifacts",
        "parameterValues": {
            "data_folder": "gs://bucket/images",
            "span": "latest",
            "steps": config.train.steps,
            "samples": config.evaluate.samples,
        },
    }


def test_all_nodes_run_in_the_image_without_an_environment_of_their_own(job):
    assert containers(job).keys() == UPSTREAM.keys()
    for container in containers(job).values():
        assert container["image"] == "registry/iadb-tfx:1"
        assert container.keys() <= {"image", "command", "args", "resources", "lifecycle"}


def test_image_example_gen_has_the_driver_of_image_folders(job):
    drivers = {
        name: container["lifecycle"]["preCacheCheck"]["command"]
        for name, container in containers(job).items()
        if "lifecycle" in container
    }
    command = ["python", "-m", "components.image_example_gen.vertex_driver"]
    assert drivers == {"ImageExampleGen": command}


def test_gpu_nodes_get_gpus_and_all_nodes_cpu_and_memory(job):
    resources = {name: each["resources"] for name, each in containers(job).items()}
    gpus = {name: each["accelerator"] for name, each in resources.items() if "accelerator" in each}
    assert gpus == {
        key: {"type": "NVIDIA_TESLA_T4", "count": "2"} for key in GPU_NODES & UPSTREAM.keys()
    }
    assert {(each["cpuLimit"], each["memoryLimit"]) for each in resources.values()} == {(8.0, 32.0)}


def test_resources_are_optional(tmp_path):
    job = write(tmp_path / "job.json", "vertex.gpu=0", "vertex.cpu=null", "vertex.memory=null")
    assert not any("resources" in container for container in containers(job).values())


def test_a_data_folder_that_is_not_set_is_required_in_each_run(tmp_path):
    job = write(tmp_path / "job.json", "data.folder=null")
    assert set(job["runtimeConfig"]["parameterValues"]) == {"span", "steps", "samples"}
    assert "data_folder" in job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]


def test_a_pipeline_that_vertex_cannot_run_is_rejected(tmp_path):
    output = tmp_path / "job.json"
    with pytest.raises(
        VertexCompileError, match="DriftReference: Vertex AI only runs TFX's resolver"
    ):
        write(output, earlier_models=True)
    with pytest.raises(VertexCompileError, match="root /here: Vertex AI requires gs://"):
        write(output, locations=graph.Locations("/here", "/there", "/serving", "/latest.png"))
    assert not output.exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.warm_start=true", r"^train\.warm_start=true needs the models of earlier runs"),
        ("drift.on_drift=hold", r"^drift\.on_drift=hold needs the images of earlier runs"),
        (
            "vertex.root=gs://bucket/iadb",
            r"^vertex\.root: gs://bucket/iadb is an example; set",
        ),
        ("vertex.image=localhost/iadb-tfx:0.1.0", r"^vertex\.image: localhost/.* is an example"),
        (
            "data.folder=/mnt/images",
            r"^data\.folder: /mnt/images is not reachable from Vertex AI; use gs://bucket",
        ),
        ("data.holdout=/mnt/other", r"^data\.holdout: /mnt/other is not reachable from Vertex AI"),
        (
            "vertex.gpu=3",
            r"^vertex\.gpu=3: train\.batch_size=64 is not divisible by the 3 replicas",
        ),
    ],
)
def test_a_configuration_that_vertex_cannot_run_is_rejected(tmp_path, override, message):
    config = load("digits", overrides=[*OVERRIDES, "vertex.root=gs://bucket/mine", override])
    with pytest.raises(ConfigError, match=message):
        compile_job(config, tmp_path / "job.json")
    assert not list(tmp_path.iterdir())


def test_an_image_that_no_machine_can_pull_is_rejected():
    with pytest.raises(ConfigError, match=r"^vertex\.image: got 'iadb tfx'; expected a container"):
        load("digits", overrides=["vertex.image=iadb tfx"])


def test_a_job_writes_only_below_the_configured_root(tmp_path):
    config = load("digits", overrides=[*OVERRIDES, "vertex.root=gs://bucket/mine"])
    compile_job(config, tmp_path / "job.json")
    text = (tmp_path / "job.json").read_text()
    for folder in ("artifacts", "checkpoints", "serving"):
        assert f"gs://bucket/mine/{folder}" in text


@pytest.mark.parametrize(
    "root", ["/mnt/iadb", "s3://bucket/iadb", "gs://", "gs://b b/c", "gs://b/", "gs://bucket/[v2]"]
)
def test_a_root_outside_cloud_storage_is_rejected(root):
    with pytest.raises(ConfigError, match=r"^vertex\.root: got "):
        load("digits", overrides=[f"vertex.root='{root}'"])


@pytest.mark.parametrize("kind", [DataVerdict, DriftVerdict, ImageFeatures])
def test_vertex_finds_the_type_of_an_artifact_by_its_name(kind):
    assert import_utils.import_class_by_path(kind.TYPE_NAME) is kind


@pytest.mark.parametrize(("method", "first"), [("auto", ()), ("steps", ("PairGen",))])
def test_a_student_depends_on_the_blessing_of_its_teacher(tmp_path, method, first):
    job = write(tmp_path / "job.json", "distill.enabled=true", f"distill.method={method}")
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert ("PairGen" in tasks) == bool(first)
    for name in (*first, "Student", "StudentEvaluator", "StudentPusher"):
        assert "blessed" in tasks[name]["triggerPolicy"]["condition"]
    assert "triggerPolicy" not in tasks["Pusher"]
