"""Distills a model that is there: what `iadb distill` does.

The nodes are those of a pipeline with `distill.enabled`. What they read was made by the run that
trained and judged the model, and is found by its records.
"""

import time
from typing import TYPE_CHECKING

from rich.console import Console

from components.features import check_available
from components.garbage import without_garbage_collection
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import BeamConfig
from pipeline.console.node_lines import NodeLines
from pipeline.console.progress import showing
from pipeline.distillation.options import DistillOptions
from pipeline.distillation.recorded import RecordedTeacher, configure, find_teacher
from pipeline.logs import logging_to
from pipeline.registry import lineage
from pipeline.registry.models import load_models
from pipeline.registry.names import CHOSEN
from pipeline.registry.outcome import find_version, recording
from pipeline.results.kept import LATEST_STUDENT, keep_report
from pipeline.results.summary import print_log, print_model, print_student
from pipeline.run import check_gpus, launch, prepare_tensorflow, refuse_cluster
from pipeline.space import check_space_for_student
from pipeline.workspace import Locations, Workspace
from trainer.common.signals import stop_on_signals

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


def distill_model(
    workspace: Workspace,
    number: int,
    options: DistillOptions,
    console: Console,
    *,
    batch_size: int | None = None,
    verbose: bool,
) -> bool:
    """Distills a blessed model into a student, judges it against the model and pushes it.

    A run that was stopped is completed by calling this again. A student that was live before and
    may be served is then pushed again.

    Args:
        workspace: that no run uses.
        number: of the model, or of a version of it.
        options: steps, network evaluations.
        console: to print on.
        batch_size: images that are drawn, trained on and judged at a time; None: as by the run
            that made the model.
        verbose: show all logs on standard error.

    Returns:
        Whether the student is blessed and not withdrawn.

    Raises:
        DistillError: there is no such model, it cannot be distilled, or not by these options.
        ConfigError: the GPUs cannot share a training with the model's batches, or TF_CONFIG names
            several workers.
        FeatureError: the weights of the feature space are missing or differ from the pinned ones.
        WorkspaceError: the workspace is in use or read-only, or its disk has not the space that a
            student needs.
        Exception: what the first failing node raised.
    """
    with workspace.locked():
        log = workspace.logs / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        store = lineage.connect(workspace.metadata)
        lineage.follow_move(store, workspace)
        teacher = find_teacher(store, load_models(store, workspace.serving), number)
        config = configure(teacher, options, batch_size)
        refuse_cluster("iadb distill")
        check_gpus(config.train)
        check_available(config.evaluate.features)
        check_space_for_student(config, workspace, teacher.number)
        print_log(console, log)
        lines = NodeLines(console)
        result = workspace.results / f"{log.stem}.json"
        with (
            logging_to(log, verbose=verbose, events=log.with_suffix(".jsonl")),
            recording(workspace, result, log, lines.run_ids),
            stop_on_signals(),
        ):
            prepare_tensorflow(console)
            run = _run(teacher, config, workspace, lines)
            live = find_version(run, workspace.serving)
            if run.pushable and live is None:
                console.print("  the student is blessed but not live: pushing it again")
                live = _run(teacher, config, workspace, lines, push=log.stem).pushed
            if run.evaluation:
                keep_report(run.evaluation, workspace, LATEST_STUDENT)
        print_student(console, run, workspace)
        print_model(console, run, live, workspace)
    return run.pushable


def _run(
    teacher: RecordedTeacher,
    config: PipelineConfig,
    workspace: Workspace,
    lines: NodeLines,
    push: str = "",
) -> lineage.Run:
    with (
        showing(lines.console, "starting TensorFlow and TFX"),
        without_garbage_collection(),
    ):
        pipeline = _pipeline(teacher, config, Locations.of(workspace, push), workspace)
    return launch(pipeline, "local", lines, workspace)


def _pipeline(
    found: RecordedTeacher, config: PipelineConfig, locations: Locations, workspace: Workspace
) -> "Pipeline":
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline
    from tfx.types import standard_artifacts
    from tfx.types.channel import Channel

    from components.real_features.artifact import ImageFeatures
    from components.resolvers.strategies import ByIdStrategy
    from components.source_hash import source_hash
    from pipeline.distillation.nodes import TRAINING, Teacher, student_nodes

    types = {
        "model": standard_artifacts.Model,
        "examples": standard_artifacts.Examples,
        "transform_graph": standard_artifacts.TransformGraph,
        "features": ImageFeatures,
        "evaluation": standard_artifacts.ModelEvaluation,
    }
    chosen = Resolver(
        strategy_class=ByIdStrategy,
        config={"ids": found.ids},
        **{key: Channel(type=kind) for key, kind in types.items()},
    ).with_id(CHOSEN)
    here = {
        # The workspace may have been moved, and options added, since the teacher was trained.
        "checkpoints": locations.checkpoints,
        "latest_samples": locations.latest_samples,
        "source_hash": source_hash(TRAINING),
        "train": config.train.model_dump(mode="json", exclude={"steps"}),
    }
    nodes = student_nodes(
        Teacher(**chosen.outputs, config={**found.config, **here}, steps=found.steps),
        config.distill,
        config.evaluate,
        config.evaluate.samples,
        locations,
    )
    for node in nodes:
        if isinstance(node, BaseBeamComponent):
            node.with_beam_pipeline_args(BeamConfig().arguments(node.id))
    return Pipeline(
        pipeline_name=found.pipeline,
        pipeline_root=locations.artifacts,
        components=[chosen, *nodes],
        enable_cache=True,
        metadata_connection_config=sqlite_metadata_connection_config(str(workspace.metadata)),
    )
