"""Compiles a TFX pipeline for Vertex AI Pipelines with TFX's KubeflowV2DagRunner.

Adds what TFX's compiler leaves out: the resources of every node, and the driver of ImageExampleGen
in place of TFX's own, which does not know folders of images.
"""

import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.components import FileBasedExampleGen
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)
from tfx.orchestration.pipeline import Pipeline

from pipeline.runners.gpu import GPU_NODES
from pipeline.runners.vertex_options import VertexOptions
from trainer.common.files import atomic_write

DRIVER = ["python", "-m", "components.image_example_gen.vertex_driver"]

ResourceSpec = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec


class VertexCompileError(ValueError):
    """A pipeline that cannot run on Vertex AI; the message is one line."""


def write_job(pipeline: Pipeline, options: VertexOptions, output: Path) -> None:
    """Writes a pipeline as a job (JSON) of Vertex AI Pipelines, spec 2.1.0.

    Args:
        pipeline: without resolvers. Its RuntimeParameters become parameters of the job.
        options: resources of the nodes.
        output: the file; it appears atomically.

    Raises:
        VertexCompileError: the pipeline has a resolver, or its root is not on Cloud Storage.
    """
    root = pipeline.pipeline_info.pipeline_root
    if not root.startswith("gs://"):
        raise VertexCompileError(f"pipeline root {root}: Vertex AI requires gs://bucket/folder")
    for node in pipeline.components:
        if isinstance(node, Resolver):
            raise VertexCompileError(f"{node.id}: Vertex AI only runs TFX's resolver strategies")
    config = KubeflowV2DagRunnerConfig(default_image=options.image, use_pipeline_spec_2_1=True)
    job = KubeflowV2DagRunner(config).run(pipeline, _defaults(pipeline), write_out=False)
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    for node in pipeline.components:
        container = executors[f"{node.id}_executor"]["container"]
        if resources := _resources(node.id, options):
            container["resources"] = resources
        if isinstance(node, FileBasedExampleGen):
            container["lifecycle"]["preCacheCheck"]["command"] = DRIVER
    with atomic_write(output) as partial:
        partial.write_text(json.dumps(job, indent=2, sort_keys=True), "utf-8")


def _defaults(pipeline: Pipeline) -> dict[str, Any]:
    """Defaults of the runtime parameters; each run must set those without one."""
    return {
        value.name: value.default
        for node in pipeline.components
        for value in node.exec_properties.values()
        if isinstance(value, RuntimeParameter) and value.default
    }


def _resources(node_id: str, options: VertexOptions) -> dict[str, Any]:
    spec = ResourceSpec(cpu_limit=options.cpu, memory_limit=options.memory)
    if node_id in GPU_NODES and options.gpu:
        spec.accelerator.type = options.gpu_type
        spec.accelerator.count = options.gpu
    return json_format.MessageToDict(spec)
