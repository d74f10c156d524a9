"""Compiles a TFX pipeline for open-source Kubeflow Pipelines: one container task per node.

Each task runs its node with TFX's portable Launcher (node.py) against one metadata database, which
resolves inputs, spans and conditions, finds cached results and records lineage, as a local run
does. Kubeflow draws the graph, schedules, retries and provides machines. Any TFX pipeline will do.
"""

import keyword
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

from pipeline.metadata.database import KEYS, variable
from pipeline.runners.kubeflow.node import TYPES, runtime_parameters
from pipeline.runners.kubeflow.options import USER, KubeflowOptions, NodeOptions
from trainer.common.files import atomic_write

QUIET = {"GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "2"}  # errors of C++ libraries only
MAX_ARGUMENTS = 32 * 1024  # bytes per task; Argo keeps them in annotations and in etcd
MAX_PACKAGE = 512 * 1024
# -P: a folder `pipeline` in the container's working directory would hide the package.
ENTRY_POINT = ["python", "-P", "-m", "pipeline.runners.kubeflow.task"]
RUN_ID, REPORT, METRICS = RESERVED = ("run_id", "report", "metrics")  # of every component
RETRY_DAYS = 30  # Argo counts them from the start of the first attempt, training included
SET_BY_TFX = (constants.PIPELINE_RUN_ID_PARAMETER_NAME, constants.PIPELINE_ROOT_PARAMETER_NAME)
# Kubeflow and Kubernetes substitute {{...}} and $(...) in arguments.
PLACEHOLDERS = {"{{": r"{\u007b", "$(": r"\u0024("}


class KubeflowCompileError(ValueError):
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


@dataclass(frozen=True)
class LastTask:
    """A task after all nodes, which runs if they succeed.

    Attributes:
        name: displayed by Kubeflow, and key of its options as if it were a node.
        command: of its container, which has the environment and the volumes of a node's.
    """

    name: str
    command: Sequence[str]


def write_package(
    pipeline: Pipeline,
    options: KubeflowOptions,
    output: Path,
    shown: Mapping[str, Shown] | None = None,
    last: LastTask | None = None,
) -> None:
    """Writes a pipeline as a package (YAML) of Kubeflow Pipelines, spec 2.1.0.

    Args:
        pipeline: every node can reach its root. Its RuntimeParameters become inputs.
        options: resources of the nodes' pods.
        output: the file.
        shown: by node id.
        last: a task after all nodes.

    Raises:
        KubeflowCompileError: a node in the options does not exist, a node is not supported, inputs
            contradict each other, or the package is too large for a cluster.
    """
    shown = shown or {}
    ir = Compiler().compile(pipeline)
    parts = _by_node(ir)
    named = [*parts, last.name] if last else [*parts]
    for node_id in (*options.nodes, *shown):
        if node_id not in named:
            raise KubeflowCompileError(f"no node {node_id}; there are {', '.join(named)}")
    inputs = _inputs(parts)

    def body(*channels: Any) -> None:
        values = dict(zip(inputs, channels, strict=True))
        tasks: dict[str, dsl.PipelineTask] = {}
        for node_id, part in parts.items():
            names = sorted(inputs.keys() & runtime_parameters(part).keys())
            kinds = {name: inputs[name].annotation for name in names}
            component = _component(node_id, part, kinds, options.image, shown.get(node_id))
            # Kubeflow substitutes the run's id only if it is a whole input, not in arguments.
            given = {name: values[name] for name in names}
            task = component(**{RUN_ID: dsl.PIPELINE_JOB_ID_PLACEHOLDER}, **given)
            task.set_display_name(node_id).set_caching_options(False)
            task.after(*(tasks[other] for other in part.nodes[0].pipeline_node.upstream_nodes))
            _configure(task, options, options.of_node(node_id))
            tasks[node_id] = task
        if last:
            task = _last_component(last, options.image)()
            task.set_display_name(last.name).set_caching_options(False)
            task.after(*tasks.values())
            _configure(task, options, options.of_node(last.name))

    body.__signature__ = Signature(list(inputs.values()))
    graph = dsl.pipeline(name=ir.pipeline_info.id.lower().replace("_", "-"))(body)
    for task in graph.pipeline_spec.root.dag.tasks.values():  # the SDK's own limit is an hour
        task.retry_policy.backoff_max_duration.FromTimedelta(timedelta(days=RETRY_DAYS))
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "package.yaml"
        compiler.Compiler().compile(graph, str(package))
        text = package.read_bytes()
    if len(text) > MAX_PACKAGE:
        raise KubeflowCompileError(
            f"the package has {len(text):,} bytes; a cluster accepts {MAX_PACKAGE:,}"
        )
    with atomic_write(output) as partial:
        partial.write_bytes(text)


def escape(text: str) -> str:
    """Escapes JSON so that neither Kubeflow nor Kubernetes finds a placeholder in it."""
    for placeholder, escaped in PLACEHOLDERS.items():
        text = text.replace(placeholder, escaped)
    return text


def _by_node(ir: pipeline_pb2.Pipeline) -> dict[str, pipeline_pb2.Pipeline]:
    """Pipelines of one node each by its id, without the metadata database, in execution order."""
    if ir.execution_mode != pipeline_pb2.Pipeline.SYNC:
        raise KubeflowCompileError("a pipeline must run synchronously, node after node")
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    ir.deployment_config.Unpack(deployment)
    parts = {}
    for node in ir.nodes:
        if node.WhichOneof("node") != "pipeline_node":
            raise KubeflowCompileError("a pipeline as a node of a pipeline is not supported")
        node_id = node.pipeline_node.node_info.id
        _reject_unsupported(node.pipeline_node, deployment)
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
        parts[node_id] = part
    return parts


def _reject_unsupported(
    node: pipeline_pb2.PipelineNode, deployment: pipeline_pb2.IntermediateDeploymentConfig
) -> None:
    node_id, options = node.node_info.id, node.execution_options
    strategies = pipeline_pb2.NodeExecutionOptions
    executor = deployment.executor_specs.get(node_id)  # [] would create it
    if executor is not None and executor.Is(ContainerExecutableSpec.DESCRIPTOR):
        problem = "container components are not supported; all nodes run in one image"
    elif node_id in deployment.node_level_platform_configs:
        problem = "a platform configuration of its own is not supported"
    elif options.node_success_optional or options.strategy not in (
        strategies.TRIGGER_STRATEGY_UNSPECIFIED,
        strategies.ALL_UPSTREAM_NODES_SUCCEEDED,
    ):
        problem = "it must wait for the success of all its upstream nodes"
    else:
        return
    raise KubeflowCompileError(f"{node_id}: {problem}")


def _inputs(parts: Mapping[str, pipeline_pb2.Pipeline]) -> dict[str, Parameter]:
    """The pipeline's inputs by name; those without a default come first."""
    found: dict[str, Parameter] = {}
    for part in parts.values():
        for name, runtime in runtime_parameters(part).items():
            if name in SET_BY_TFX:
                continue
            if not name.isidentifier() or keyword.iskeyword(name) or name in RESERVED:
                raise KubeflowCompileError(
                    f"a runtime parameter cannot be named {name} on Kubeflow"
                )
            which = runtime.default_value.WhichOneof("value")
            default = getattr(runtime.default_value, which) if which else Parameter.empty
            parameter = _parameter(name, TYPES[runtime.type], default)
            if found.setdefault(name, parameter) != parameter:
                raise KubeflowCompileError(
                    f"the runtime parameter {name} has two types or defaults"
                )
    return dict(
        sorted(found.items(), key=lambda item: (item[1].default is not Parameter.empty, item[0]))
    )


def _parameter(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=kind, default=default)


def _component(
    node_id: str,
    part: pipeline_pb2.Pipeline,
    kinds: Mapping[str, type],
    image: str,
    shown: Shown | None,
) -> Any:
    """The container component of a node, with runtime parameters of these names and types."""
    text = escape(json_format.MessageToJson(part, indent=None, sort_keys=True))
    if len(text.encode()) > MAX_ARGUMENTS:
        raise KubeflowCompileError(
            f"{node_id}: its arguments have {len(text.encode()):,} bytes, a task at most "
            f"{MAX_ARGUMENTS:,}; pass large values as files"
        )

    def component(run_id: Any, *given: Any) -> dsl.ContainerSpec:
        args = ["--node", node_id, "--run-id", run_id, "--ir", text]
        for name, value in zip(kinds, given, strict=False):
            args += ["--parameter", name, value]
        if shown:
            report = given[len(kinds)]
            executor_input = dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER
            args += ["--show", shown.output, shown.html, report.path, executor_input]
        return dsl.ContainerSpec(image=image, command=ENTRY_POINT, args=args)

    outputs = {REPORT: dsl.Output[dsl.HTML], METRICS: dsl.Output[dsl.Metrics]} if shown else {}
    known = {RUN_ID: str, **kinds, **outputs}
    component.__name__ = node_id
    component.__signature__ = Signature([_parameter(name, kind) for name, kind in known.items()])
    return dsl.container_component(component)


def _last_component(last: LastTask, image: str) -> Any:
    def component() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image, command=[*last.command])

    component.__name__ = last.name
    return dsl.container_component(component)


def _configure(task: dsl.PipelineTask, options: KubeflowOptions, node: NodeOptions) -> None:
    """Sets a task's resources, volumes, environment and retries."""
    if node.cpu:
        task.set_cpu_request(node.cpu).set_cpu_limit(node.cpu)
    if node.memory:
        task.set_memory_request(node.memory).set_memory_limit(node.memory)
    if node.gpu:
        task.set_accelerator_type(node.gpu_type).set_accelerator_limit(node.gpu)
    # set_env_variable inspects all frames of the stack, which takes 50 ms for each variable.
    task.container_spec.env = QUIET | node.variables
    backoff = f"{node.retry_backoff_seconds}s"
    task.set_retry(node.retries, backoff_duration=backoff, backoff_factor=2.0)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
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
    keys = {key: variable(key) for key in KEYS}
    kubernetes.use_secret_as_env(task, options.metadata_secret, keys)
    for name, value in node.secrets.items():
        kubernetes.use_secret_as_env(task, value.secret, {value.key: name})
    kubernetes.use_field_path_as_env(task, "POD_NAME", "metadata.name")
    kubernetes.use_field_path_as_env(task, "POD_UID", "metadata.uid")
    if options.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(options.image_pull_secrets))
