"""Distills a model that is there: what `iadb distill` does.

The nodes are those of a pipeline with `distill.enabled`. What they read was made by the run that
trained and judged the model, and is found by its records.
"""

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

from components import names as tfx_names
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config import BeamConfig
from pipeline.console.progress import showing
from pipeline.distillation.options import DistillOptions
from pipeline.logs import logging_to
from pipeline.registry import lineage, serving
from pipeline.registry.models import RegisteredModel, by_model, load_models
from pipeline.registry.outcome import recording
from pipeline.run import keep_report, launch
from pipeline.runners import gpu
from pipeline.terminal import LATEST_STUDENT, NodeLines, print_student
from pipeline.workspace import Locations, Workspace
from trainer.common import exit_codes
from trainer.common.signals import stop_on_signals
from trainer.options import TrainOptions

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

CHOSEN = "Chosen"  # the node that resolves the teacher and what it was made of


class DistillError(ValueError):
    """A model that cannot be distilled; the message is one line."""

    exit_code = exit_codes.USAGE


class _Teacher(NamedTuple):
    """What the records say about a model.

    Attributes:
        pipeline: the name of the one that made it.
        ids: of the artifacts to read, by the names of Teacher's channels.
        config: the `custom_config` of its training.
        evaluation: properties of the execution that judged it.
    """

    pipeline: str
    ids: dict[str, int]
    config: dict[str, Any]
    evaluation: dict[str, Any]


def distill_model(
    workspace: Workspace,
    number: int,
    options: DistillOptions,
    console: Console,
    *,
    verbose: bool,
) -> bool:
    """Distills a blessed model into a student, judges it against the model and pushes it.

    A run that was stopped is completed by calling this again.

    Args:
        workspace: that no run uses.
        number: of the model, or of a version of it.
        options: pairs, steps, network evaluations.
        console: to print on.
        verbose: show all logs on standard error.

    Returns:
        Whether the student is blessed and not withdrawn.

    Raises:
        DistillError: there is no such model, or it cannot be distilled.
        WorkspaceError: the workspace is in use, read-only or full.
        Exception: what the first failing node raised.
    """
    with workspace.locked():
        log = workspace.logs / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        store = lineage.connect(workspace.metadata)
        teacher = _find(store, load_models(store, workspace.serving), number)
        console.print(f"[dim]log: {log}[/]", soft_wrap=True)
        lines = NodeLines(console)
        result = workspace.results / f"{log.stem}.json"
        with (
            logging_to(log, verbose=verbose, events=log.with_suffix(".jsonl")),
            recording(workspace, result, log, lines.run_ids),
            stop_on_signals(),
        ):
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
            gpus = gpu.hide()
            with showing(console, "starting TensorFlow and TFX"):
                pipeline = _pipeline(teacher, options, workspace)
            run = launch(pipeline, "local", lines, gpus, workspace)
            if run.evaluation:
                keep_report(run.evaluation, workspace, LATEST_STUDENT)
        print_student(console, run, workspace)
        live = serving.find_live(workspace.serving, run.model)
        pushed = str(live) if live else str(run.pushed or "not pushed")
        console.print(f"Model    {pushed}", markup=False, soft_wrap=True)
    return run.pushable


def _find(store: MetadataStore, models: list[RegisteredModel], number: int) -> _Teacher:
    model = next((m for m in models if number in m.versions or number == m.number), None)
    if model is None:
        raise DistillError(f"{number}: neither a version nor a model; `iadb models` lists them")
    if model.teacher is not None:
        raise DistillError(
            f"model {model.number}: is a student of model {model.teacher}; distill that one"
        )
    if model.verdict not in ("blessed", "promoted"):
        raise DistillError(
            f"model {model.number}: {model.verdict}; only a blessed or promoted model is distilled"
        )
    evaluations = by_model(store.get_artifacts_by_type(evaluator_names.EVALUATION_TYPE))
    evaluation = evaluations[model.number][-1]
    makers = lineage.find_makers(store, [model.number, evaluation.id])
    trained, judged = (_inputs(store, makers[each]) for each in (model.number, evaluation.id))
    properties = lineage.maker_properties(store, [model.number, evaluation.id])
    config = json.loads(properties[model.number][trainer_names.CUSTOM_CONFIG])
    if config.get("source"):
        raise DistillError(
            f"model {model.number}: translates images; only models that draw them from noise alone "
            "are distilled"
        )
    ids = {
        "model": model.number,
        "examples": trained[trainer_names.EXAMPLES],
        "transform_graph": trained[tfx_names.TRANSFORM_GRAPH],
        "features": judged[feature_names.FEATURES],
        "evaluation": evaluation.id,
    }
    for artifact in store.get_artifacts_by_id(list(ids.values())):
        if artifact.state != mlmd.Artifact.LIVE:
            raise DistillError(
                f"model {model.number}: {artifact.uri} was removed according to retention.runs; "
                "`iadb run` with distill.enabled=true distills the next model"
            )
    contexts = store.get_contexts_by_artifact(model.number)
    (pipeline,) = (context.name for context in contexts if context.type == "pipeline")
    return _Teacher(pipeline, ids, config, properties[evaluation.id])


def _inputs(store: MetadataStore, execution: int) -> dict[str, int]:
    events = store.get_events_by_execution_ids([execution])
    return {e.path.steps[0].key: e.artifact_id for e in events if e.type == mlmd.Event.INPUT}


def _pipeline(found: _Teacher, options: DistillOptions, workspace: Workspace) -> "Pipeline":
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline
    from tfx.types import standard_artifacts
    from tfx.types.channel import Channel

    from components.real_features.artifact import ImageFeatures
    from components.resolvers.by_id import ByIdStrategy
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
    locations = Locations.of(workspace)
    here = {
        # The workspace may have been moved, and options added, since the teacher was trained.
        "checkpoints": locations.checkpoints,
        "latest_samples": locations.latest_samples,
        "source_hash": source_hash(TRAINING),
        "train": TrainOptions.model_validate(found.config["train"]).model_dump(
            mode="json", exclude={"steps"}
        ),
    }
    evaluate = json.loads(found.evaluation[evaluator_names.OPTIONS])
    samples = found.evaluation["samples"]
    nodes = student_nodes(
        Teacher(**chosen.outputs, config={**found.config, **here}),
        options,
        EvaluateOptions.model_validate({**evaluate, "samples": samples}),
        samples,
        locations,
        found.evaluation.get("features_warning", ""),
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
