"""Compiles a TFX pipeline for open-source Kubeflow Pipelines: one container task a node.

Each task runs its node with TFX's portable Launcher (kubeflow_node.py) against one metadata
database, which resolves inputs, spans and conditions, finds cached results and records lineage, as
a local run does. Kubeflow draws the graph, schedules, retries and gives machines. Nothing here
knows what the pipeline is about.
"""

import keyword
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp import compiler, dsl, kubernetes
from tfx.dsl.compiler import constants
from tfx.dsl.compiler.compiler import Compiler
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.orchestration import pipeline_pb2
from tfx.proto.orchestration.executable_spec_pb2 import ContainerExecutableSpec

from pipeline.runners.kubeflow import metadata_store
from pipeline.runners.kubeflow.node import runtime_parameters
from pipeline.runners.kubeflow.options import KubeflowOptions, NodeOptions
from trainer.common.files import atomic_write

QUIET = {"GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "2"}  # errors of C++ libraries alone
MAX_ARGUMENTS = 32 * 1024  # bytes of a task; Argo keeps them in annotations and in etcd
MAX_PACKAGE = 512 * 1024
# -P: a folder `pipeline` where the container starts would come before the package.
ENTRY_POINT = ["python", "-P", "-m", "pipeline.runners.kubeflow.node"]
RUN_ID, REPORT, METRICS = RESERVED = ("run_id", "report", "metrics")  # of every component
RETRY_DAYS = 30  # Argo counts them from the first attempt's start, the training included
TYPES = {
    pipeline_pb2.RuntimeParameter.INT: int,
    pipeline_pb2.RuntimeParameter.DOUBLE: float,
    pipeline_pb2.RuntimeParameter.STRING: str,
}
DECIDED = (constants.PIPELINE_RUN_ID_PARAMETER_NAME, constants.PIPELINE_ROOT_PARAMETER_NAME)
# What Kubeflow and Kubernetes would take for theirs in an argument: {{...}} and $(...).
PLACEHOLDERS = {"{{": r"{\u007b", "$(": r"\u0024("}


class CompileError(ValueError):
    """A pipeline, or options, that cannot run on Kubeflow Pipelines."""


@dataclass(frozen=True)
class Shown:
    """What Kubeflow's page of a node shows.

    Attributes:
        output: key of the output artifact; its custom properties that are floats are metrics.
        html: name of a page in the artifact's folder.
    """

    output: str
    html: str


def write_package(
    pipeline: Pipeline,
    options: KubeflowOptions,
    output: Path,
    shown: Mapping[str, Shown] | None = None,
) -> None:
    """Writes a pipeline as a package (YAML) of Kubeflow Pipelines, spec 2.1.0.

    Args:
        pipeline: whose pipeline root every node can reach. Its RuntimeParameters become inputs.
        options: what the nodes' pods get.
        output: the file.
        shown: by node id.

    Raises:
        CompileError: options name a node that there is not, a node is a pipeline itself, inputs
            contradict each other, or the package becomes too large for a cluster.
    """
    ir = Compiler().compile(pipeline)
    parts = {part.nodes[0].pipeline_node.node_info.id: part for part in _by_node(ir)}
    for node_id in (*options.nodes, *(shown or {})):
        if node_id not in parts:
            raise CompileError(f"no node {node_id}; there are {', '.join(parts)}")
    inputs = _inputs(parts)

    def body(*channels: Any) -> None:
        values = dict(zip(inputs, channels, strict=True))
        tasks: dict[str, dsl.PipelineTask] = {}
        for node_id, part in parts.items():
            names = sorted(inputs.keys() & runtime_parameters(part).keys())
            component = _component(node_id, part, names, options.image, (shown or {}).get(node_id))
            # Kubeflow fills the run's id in where it is the whole of an input, and nowhere else.
            given = {_identifier(name): values[name] for name in names}
            task = component(**{RUN_ID: dsl.PIPELINE_JOB_ID_PLACEHOLDER}, **given)
            task.set_display_name(node_id).set_caching_options(False)
            upstream = part.nodes[0].pipeline_node.upstream_nodes
            task.after(*(tasks[other] for other in upstream))
            _configure(task, options, options.of_node(node_id))
            tasks[node_id] = task

    body.__signature__ = Signature(
        [
            Parameter(
                _identifier(name),
                Parameter.POSITIONAL_OR_KEYWORD,
                default=default,
                annotation=TYPES[parameter.type],
            )
            for name, (parameter, default) in inputs.items()
        ]
    )
    name = ir.pipeline_info.id.lower().replace("_", "-")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "package.yaml"
        graph = dsl.pipeline(name=name)(body)
        for task in graph.pipeline_spec.root.dag.tasks.values():  # the SDK's own limit is an hour
            task.retry_policy.backoff_max_duration.FromTimedelta(timedelta(days=RETRY_DAYS))
        compiler.Compiler().compile(graph, str(package))
        text = package.read_bytes()
    if len(text) > MAX_PACKAGE:
        raise CompileError(f"the package has {len(text):,} bytes; a cluster takes {MAX_PACKAGE:,}")
    with atomic_write(output) as partial:
        partial.write_bytes(text)


def escape(text: str) -> str:
    """Writes JSON so that neither Kubeflow nor Kubernetes finds a placeholder in it."""
    for placeholder, escaped in PLACEHOLDERS.items():
        text = text.replace(placeholder, escaped)
    return text


def _by_node(ir: pipeline_pb2.Pipeline) -> Sequence[pipeline_pb2.Pipeline]:
    """Pipelines of one node each, without the metadata database, in an order they can run in."""
    if ir.execution_mode != pipeline_pb2.Pipeline.SYNC:
        raise CompileError("a pipeline must run synchronously, node after node")
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    ir.deployment_config.Unpack(deployment)
    parts = []
    for node in ir.nodes:
        if node.WhichOneof("node") != "pipeline_node":
            raise CompileError("a pipeline as a node of a pipeline is not supported")
        node_id = node.pipeline_node.node_info.id
        _refuse_what_is_not_supported(node.pipeline_node, deployment)
        part = pipeline_pb2.Pipeline()
        part.CopyFrom(ir)
        del part.nodes[:]
        part.nodes.append(node)
        own = pipeline_pb2.IntermediateDeploymentConfig()
        for kind in ("executor_specs", "custom_driver_specs"):
            specifications = getattr(deployment, kind)
            if node_id in specifications:
                getattr(own, kind)[node_id].CopyFrom(specifications[node_id])
        part.deployment_config.Pack(own)
        parts.append(part)
    return parts


def _refuse_what_is_not_supported(
    node: pipeline_pb2.PipelineNode, deployment: pipeline_pb2.IntermediateDeploymentConfig
) -> None:
    node_id, options = node.node_info.id, node.execution_options
    strategies = pipeline_pb2.NodeExecutionOptions
    executor = deployment.executor_specs.get(node_id)  # by [] it would come into being
    if executor is not None and executor.Is(ContainerExecutableSpec.DESCRIPTOR):
        raise CompileError(
            f"{node_id}: a container component is not supported; all run in one image"
        )
    if node_id in deployment.node_level_platform_configs:
        raise CompileError(f"{node_id}: a platform configuration of its own is not supported")
    if options.node_success_optional or options.strategy not in (
        strategies.TRIGGER_STRATEGY_UNSPECIFIED,
        strategies.ALL_UPSTREAM_NODES_SUCCEEDED,
    ):
        raise CompileError(f"{node_id}: it must wait for the success of all nodes before it")


def _inputs(
    parts: Mapping[str, pipeline_pb2.Pipeline],
) -> dict[str, tuple[pipeline_pb2.RuntimeParameter, Any]]:
    """The pipeline's inputs by name, with their defaults; those without one come first."""
    found: dict[str, tuple[pipeline_pb2.RuntimeParameter, Any]] = {}
    for part in parts.values():
        for name, parameter in runtime_parameters(part).items():
            if name in DECIDED:
                continue
            which = parameter.default_value.WhichOneof("value")
            default = getattr(parameter.default_value, which) if which else Parameter.empty
            if found.setdefault(name, (parameter, default)) != (parameter, default):
                raise CompileError(f"the runtime parameter {name} has two types or defaults")
    for name in found:
        identifier = _identifier(name)
        if not identifier.isidentifier() or keyword.iskeyword(identifier) or identifier in RESERVED:
            raise CompileError(f"a runtime parameter cannot be called {name} on Kubeflow")
    if len({_identifier(name) for name in found}) < len(found):
        raise CompileError(f"runtime parameters with names too alike: {', '.join(found)}")
    return dict(
        sorted(found.items(), key=lambda item: (item[1][1] is not Parameter.empty, item[0]))
    )


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _component(
    node_id: str,
    part: pipeline_pb2.Pipeline,
    names: Sequence[str],
    image: str,
    shown: Shown | None,
) -> Any:
    text = escape(json_format.MessageToJson(part, indent=None, sort_keys=True))
    if len(text.encode()) > MAX_ARGUMENTS:
        raise CompileError(
            f"{node_id}: its arguments take {len(text.encode()):,} bytes; a task can have "
            f"{MAX_ARGUMENTS:,}: hand large values over as files"
        )

    def component(run_id: Any, *given: Any) -> dsl.ContainerSpec:
        args = ["--node", node_id, "--run-id", run_id, "--ir", text]
        for name, value in zip(names, given, strict=False):
            args += ["--parameter", name, value]
        if shown:
            report, _ = given[len(names) :]
            executor_input = dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER
            args += ["--show", shown.output, shown.html, report.path, executor_input]
        return dsl.ContainerSpec(image=image, command=ENTRY_POINT, args=args)

    known = runtime_parameters(part)
    kinds = {RUN_ID: str} | {_identifier(name): TYPES[known[name].type] for name in names}
    if shown:
        kinds |= {REPORT: dsl.Output[dsl.HTML], METRICS: dsl.Output[dsl.Metrics]}
    parameters = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
        for name, kind in kinds.items()
    ]
    component.__name__ = node_id
    component.__signature__ = Signature(parameters)
    return dsl.container_component(component)


def _configure(task: dsl.PipelineTask, options: KubeflowOptions, node: NodeOptions) -> None:
    """Gives a task its machine, its files, its environment and its retries."""
    if node.cpu:
        task.set_cpu_request(node.cpu).set_cpu_limit(node.cpu)
    if node.memory:
        task.set_memory_request(node.memory).set_memory_limit(node.memory)
    if node.gpu:
        task.set_accelerator_type(node.gpu_type).set_accelerator_limit(node.gpu)
    else:
        task.set_env_variable("CUDA_VISIBLE_DEVICES", "-1")
    for name, value in (QUIET | node.env).items():
        task.set_env_variable(name, value)
    backoff = f"{node.retry_backoff_seconds}s"
    task.set_retry(node.retries, backoff_duration=backoff, backoff_factor=2.0)
    if node.timeout_seconds:
        kubernetes.set_timeout(task, node.timeout_seconds)
    for label, value in node.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in node.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    if node.shared_memory:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", "Memory", node.shared_memory)
    for claim, path in (options.volumes | node.volumes).items():
        kubernetes.mount_pvc(task, claim, path)
    keys = {key: metadata_store.variable(key) for key in metadata_store.KEYS}
    kubernetes.use_secret_as_env(task, options.metadata_secret, keys)
    for name, value in node.secrets.items():
        kubernetes.use_secret_as_env(task, value.secret, {value.key: name})
    kubernetes.use_field_path_as_env(task, "POD_NAME", "metadata.name")
    kubernetes.use_field_path_as_env(task, "POD_UID", "metadata.uid")
    if options.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(options.image_pull_secrets))
