"""Compiles the pipeline of a configuration for Kubeflow Pipelines."""

import functools
import json
from collections.abc import Callable, Set
from pathlib import Path

from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline import failures
from pipeline.cluster.package import warn_of_unmounted
from pipeline.config.pipeline_config import ConfigError, PipelineConfig, require_runnable
from pipeline.features import with_chosen_features
from pipeline.graph import Locations, create_pipeline
from pipeline.metadata.database import ENVIRONMENT
from pipeline.runners.kubeflow.options import KubeflowOptions, NodeOptions
from pipeline.runners.kubeflow.package import (
    KubeflowCompileError,
    LastTask,
    Shown,
    write_package,
)
from pipeline.runners.kubeflow.workers import with_workers
from pipeline.schema import read_schema
from trainer.common.text import list_some

GPU_NODES = {
    feature_names.NODE,
    trainer_names.NODE,
    evaluator_names.NODE,
    trainer_names.STUDENT,
    evaluator_names.STUDENT_NODE,
}
UNUSED = ("schedule", "notify")  # sections of the configuration
TO_STANDARD_ERROR = functools.partial(failures.say, error=True)


def compile_package(
    config: PipelineConfig,
    output: Path,
    report: Callable[[str], None] = TO_STANDARD_ERROR,
) -> None:
    """Writes the package (YAML).

    Its inputs are `data_folder`, `span`, `steps` and `samples`; the configuration's values are the
    defaults.

    The feature space is chosen here if the configuration leaves it open.

    Args:
        config: of the pipeline.
        output: the file to write.
        report: is called with each line of warning.

    Raises:
        ConfigError: the configuration cannot run on Kubeflow.
        OSError: the file cannot be written.
    """
    require_runnable(config)
    config = with_chosen_features(config)
    locations = Locations.below(config.kubeflow.root)
    try:
        pipeline = create_pipeline(
            config,
            locations,
            read_schema(
                config.validation.schema_file, paired=config.data.paired_source is not None
            ),
        )
        evaluation = Shown(output=evaluator_names.EVALUATION, html=evaluator_names.REPORT_HTML)
        shown = {evaluator_names.NODE: evaluation}
        if config.distill.enabled:
            shown[evaluator_names.STUDENT_NODE] = evaluation
        nodes = {node.id for node in pipeline.components}
        options = _options(config, nodes)
        write_package(pipeline, options, output, shown, _retention(config))
    except KubeflowCompileError as error:
        raise ConfigError(f"kubeflow: {error}") from None
    warn_of_unmounted(config, report)
    _warn_of_unused(config, report)


def _warn_of_unused(config: PipelineConfig, report: Callable[[str], None]) -> None:
    """Names what is set for unattended runs on one machine, which no task on Kubeflow reads."""
    keys = [
        f"{section}.{key}"
        for section in UNUSED
        for key, value in getattr(config, section)
        if value != getattr(PipelineConfig.model_fields[section].default, key)
    ]
    if keys:
        report(
            f"no effect on Kubeflow: {list_some(keys)}; for its runs, set kubeflow.default.retries "
            "and kubeflow.default.timeout_seconds, and see docs/kubeflow.md"
        )


def _retention(config: PipelineConfig) -> LastTask:
    """Removes what `retention` does not keep, unless another run uses the workspace."""
    kept = config.retention.model_dump(mode="json")
    return LastTask(
        name="Retention",
        command=[
            *("python", "-P", "-m", "pipeline.cli", "clean", "--if-free"),
            *(f"--workspace={config.kubeflow.root}", f"--metadata={ENVIRONMENT}"),
            *(f"--set=retention.{key}={json.dumps(value)}" for key, value in kept.items()),
        ],
    )


def _options(config: PipelineConfig, present: Set[str]) -> KubeflowOptions:
    """The runner's options, with GPUs and workers for the nodes that use them."""
    options = config.kubeflow
    nodes = dict(options.nodes)
    for node_id in GPU_NODES & present:
        asked = nodes.get(node_id, NodeOptions()).model_dump(exclude_unset=True)
        nodes[node_id] = NodeOptions.model_validate({"gpu": options.gpu, **asked})
    workers = {trainer_names.NODE: options.train_workers, trainer_names.STUDENT: 1}
    for node_id in workers.keys() & present:
        try:
            config.train.check_replicas(max(nodes[node_id].gpu, 1) * workers[node_id])
        except ValueError as error:
            raise ConfigError(f"kubeflow: {node_id}: {error}") from None
    options = options.model_copy(update={"nodes": nodes})
    return with_workers(options, trainer_names.NODE, config.kubeflow.train_workers)
