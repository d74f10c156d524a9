"""The compiler of Kubeflow packages; tests/pipeline/test_kubeflow_*.py run its results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.container_component import create_container_component
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.experimental.node_execution_options.utils import (
    NodeExecutionOptions,
    TriggerStrategy,
)
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import String

from pipeline.cluster.compile import compile_package
from pipeline.commands.clean import clean
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.runners.kubeflow.options import USER, KubeflowOptions
from pipeline.runners.kubeflow.package import (
    MAX_PACKAGE,
    KubeflowCompileError,
    Shown,
    write_package,
)
from tests.kubeflow_cluster import TaskPackage

OPTIONS = KubeflowOptions(image="image", metadata_secret="metadata")
GPU_NODES = {"Trainer", "RealFeatures", "SampleEvaluator"}
TRAINER = {
    "cpu": "4",
    "memory": "16Gi",
    "gpu": 2,
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
    "shared_memory": "2Gi",
    "volumes": {"fast": "/scratch"},
    "secrets": {"WANDB_API_KEY": {"secret": "wandb", "key": "token"}},
    "env": {"NCCL_DEBUG": "INFO"},
    "retries": 4,
    "retry_backoff_seconds": 7,
    "timeout_seconds": 3600,
}
OVERRIDES = [
    f"kubeflow.nodes={json.dumps({'Trainer': TRAINER})}",
    "kubeflow.image=registry/iadb:1",
    "train.steps=777",
    "retention.versions=2",
    "retention.logs=null",
]


@component
def say(text: Parameter[str], said: OutputArtifact[String]) -> None:
    """Says something."""
    said.value = text


def pipeline(*texts):
    nodes = [say(text=text).with_id(f"Say{i}") for i, text in enumerate(texts)]
    return Pipeline("say", "/root", components=nodes)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Our own pipeline, as the preset digits has it, with every option set for the Trainer."""
    path = tmp_path_factory.mktemp("package") / "digits.yaml"
    compile_package(load("digits", overrides=OVERRIDES), path)
    return TaskPackage(path)


def nodes(package):
    """The tasks that run a node of the pipeline."""
    return [name for name in package.tasks if name != "Retention"]


def test_the_last_task_waits_for_all_nodes_and_applies_the_configured_retention(package):
    assert set(package.upstream["Retention"]) == set(nodes(package))
    iadb, command = package.container("Retention")["command"], clean.name
    assert iadb[:5] == ["python", "-P", "-m", "pipeline.cli", command]
    context = clean.make_context(command, iadb[5:])
    assert context.params["if_free"]
    assert (context.params["workspace"], context.params["metadata"]) == (
        "/mnt/iadb",
        "postgresql://",
    )
    kept = load(None, None, context.params["overrides"]).retention
    assert kept == load("digits", overrides=OVERRIDES).retention
    assert (kept.versions, kept.logs) == (2, None)


def test_every_task_runs_as_the_images_user_and_never_as_root(package):
    dockerfile = (Path(__file__).parents[5] / "kubeflow/Dockerfile").read_text("utf-8")
    assert f"USER {USER}:{USER}\n" in dockerfile
    for name in package.tasks:
        context = package.kubernetes(name)["securityContext"]
        user = str(USER)  # a 64-bit number in JSON
        assert context == {"runAsUser": user, "runAsGroup": user, "runAsNonRoot": True}


def test_tasks_are_named_as_nodes_and_wait_for_those_they_need(package):
    assert package.upstream["ImageExampleGen"] == []
    assert set(package.upstream["Trainer"]) == {
        "DataGate",
        "DriftGate",
        "DriftReference",
        "ImageExampleGen",
        "Transform",
    }
    assert set(package.upstream["Pusher"]) == {"ImageExampleGen", "Trainer", "SampleEvaluator"}


def test_the_pusher_gets_what_the_card_is_made_of(package):
    arguments = package.container("Pusher")["args"]
    (node,) = json.loads(arguments[arguments.index("--ir") + 1])["nodes"]
    inputs = node["pipelineNode"]["inputs"]["inputs"]
    assert inputs.keys() == {"model", "model_blessing", "evaluation", "examples"}


def test_the_spec_is_that_of_open_source_kubeflow_with_its_cache_off(package):
    assert package.spec["schemaVersion"] == "2.1.0"
    assert all(not task["cachingOptions"].get("enableCache") for task in package.tasks.values())


def test_runtime_parameters_are_inputs_with_the_configuration_as_default(package):
    inputs = {k: (v["parameterType"], v.get("defaultValue")) for k, v in package.inputs().items()}
    assert inputs == {
        "data_folder": ("STRING", None),
        "span": ("STRING", "latest"),
        "steps": ("NUMBER_INTEGER", 777),
        "samples": ("NUMBER_INTEGER", load("digits").evaluate.samples),
    }


def test_arguments_and_package_fit_a_cluster_with_room_to_spare(package):
    for name in nodes(package):
        assert sum(map(len, package.container(name)["args"])) < 16 * 1024
    assert len(package.text) < MAX_PACKAGE / 4


@pytest.mark.slow
def test_the_same_configuration_gives_the_same_package_in_any_process(package, tmp_path):
    command = (
        "import sys; from pathlib import Path; from pipeline.config.pipeline_config import load;"
        "from pipeline.cluster.compile import compile_package;"
        "compile_package(load('digits', overrides=sys.argv[2:]), Path(sys.argv[1]))"
    )
    path = tmp_path / "package.yaml"
    subprocess.run([sys.executable, "-c", command, path, *OVERRIDES], check=True)
    assert path.read_text("utf-8") == package.text


def test_only_gpu_nodes_get_a_gpu_and_cuda_is_hidden_from_the_others(package):
    for name in package.tasks:
        container = package.container(name)
        hidden = {"name": "CUDA_VISIBLE_DEVICES", "value": "-1"} in container["env"]
        accelerator = container.get("resources", {}).get("accelerator")
        assert bool(accelerator) == (name in GPU_NODES) != hidden
        assert ("IADB_GPUS" in {entry["name"] for entry in container["env"]}) == bool(accelerator)
    assert package.container("RealFeatures")["resources"]["accelerator"] == {
        "count": "1",
        "resourceCount": "1",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }


def test_a_node_gets_the_options_of_the_configuration(package):
    container, pod = package.container("Trainer"), package.kubernetes("Trainer")
    assert container["image"] == "registry/iadb:1"
    resources = container["resources"]
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("4", "16Gi")
    assert resources["accelerator"]["resourceCount"] == "2"
    assert {"name": "NCCL_DEBUG", "value": "INFO"} in container["env"]
    assert pod["nodeSelector"]["labels"] == {"pool": "gpu"}
    (toleration,) = pod["tolerations"]
    assert (toleration["key"], toleration["effect"]) == ("nvidia.com/gpu", "NoSchedule")
    (shm,) = pod["emptyDirMounts"]
    assert (shm["mountPath"], shm["medium"], shm["sizeLimit"]) == ("/dev/shm", "Memory", "2Gi")
    claims = {mount["constant"]: mount["mountPath"] for mount in pod["pvcMount"]}
    assert claims == {"iadb": "/mnt/iadb", "fast": "/scratch"}
    variables = {
        entry["envVar"]: (reference["secretName"], entry["secretKey"])
        for reference in pod["secretAsEnv"]
        for entry in reference["keyToEnv"]
    }
    assert variables["WANDB_API_KEY"] == ("wandb", "token")
    assert variables["TFX_METADATA_PASSWORD"] == ("iadb-metadata", "password")
    assert pod["activeDeadlineSeconds"] == "3600" or pod["activeDeadlineSeconds"] == 3600
    retry = package.tasks["Trainer"]["retryPolicy"]
    assert (retry["maxRetryCount"], retry["backoffDuration"], retry["backoffFactor"]) == (
        4,
        "7s",
        2,
    )
    assert "nodeSelector" not in package.kubernetes("Pusher")


def test_an_unknown_node_in_the_configuration_is_reported_with_those_there_are(tmp_path):
    config = load("digits", overrides=["kubeflow.nodes.Trainor.gpu=1"])
    with pytest.raises(ConfigError, match=r"kubeflow: no node Trainor; there are ImageExampleGen"):
        compile_package(config, tmp_path / "package.yaml")


def test_placeholders_of_kubeflow_and_kubernetes_are_escaped(tmp_path):
    text = 'a {{$.pipeline_job_name}} b $(HOME) c {{{{ "d"'
    write_package(pipeline(text), OPTIONS, tmp_path / "package.yaml")
    arguments = TaskPackage(tmp_path / "package.yaml").container("Say0")["args"]
    ir = arguments[arguments.index("--ir") + 1]
    assert "{{" not in ir
    assert "$(" not in ir
    assert text in str(json.loads(ir))


def test_arguments_that_are_too_large_are_rejected(tmp_path):
    with pytest.raises(KubeflowCompileError, match=r"Say0: its arguments have 4\d,\d{3} bytes"):
        write_package(pipeline("x" * 40_000), OPTIONS, tmp_path / "package.yaml")


def test_a_package_that_is_too_large_is_rejected(tmp_path):
    with pytest.raises(KubeflowCompileError, match="the package has"):
        write_package(pipeline(*["x" * 30_000] * 18), OPTIONS, tmp_path / "package.yaml")
    assert not list(tmp_path.iterdir())


def test_one_parameter_with_two_defaults_is_rejected(tmp_path):
    parameters = [RuntimeParameter("text", str, default) for default in "ab"]
    with pytest.raises(
        KubeflowCompileError, match="the runtime parameter text has two types or defaults"
    ):
        write_package(pipeline(*parameters), OPTIONS, tmp_path / "package.yaml")


@pytest.mark.parametrize("name", ["run_id", "run-id", "report", "metrics", "class", "1st"])
def test_a_parameter_with_a_reserved_or_invalid_name_is_rejected(tmp_path, name):
    with pytest.raises(KubeflowCompileError, match=f"a runtime parameter cannot be named {name}"):
        write_package(
            pipeline(RuntimeParameter(name, str, "x")), OPTIONS, tmp_path / "package.yaml"
        )


def test_the_id_of_a_run_is_an_input_of_its_own(package):
    # Kubeflow substitutes it only if it is a whole input, not in arguments.
    for name in nodes(package):
        inputs = package.tasks[name]["inputs"]["parameters"]
        value = inputs["run_id"]["runtimeValue"]["constant"]
        assert value == "{{$.pipeline_job_uuid}}"
        arguments = package.container(name)["args"]
        assert arguments[arguments.index("--run-id") + 1] == "{{$.inputs.parameters['run_id']}}"


def test_a_container_component_is_rejected(tmp_path):
    node = create_container_component(name="Box", image="alpine", command=["true"])()
    with pytest.raises(KubeflowCompileError, match="Box: container components are not supported"):
        write_package(
            Pipeline("boxes", "/root", components=[node]), OPTIONS, tmp_path / "package.yaml"
        )


def test_a_node_that_does_not_wait_for_success_is_rejected(tmp_path):
    node = say(text="x").with_id("Say")
    node.node_execution_options = NodeExecutionOptions(
        trigger_strategy=TriggerStrategy.ALL_UPSTREAM_NODES_COMPLETED
    )
    with pytest.raises(
        KubeflowCompileError, match="Say: it must wait for the success of all its upstream nodes"
    ):
        write_package(
            Pipeline("say", "/root", components=[node]), OPTIONS, tmp_path / "package.yaml"
        )


def test_a_page_of_an_unknown_node_is_rejected(tmp_path):
    shown = {"Sing": Shown("said", "index.html")}
    with pytest.raises(KubeflowCompileError, match="no node Sing; there are Say0"):
        write_package(pipeline("x"), OPTIONS, tmp_path / "package.yaml", shown)
