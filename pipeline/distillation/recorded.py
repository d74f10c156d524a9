"""An existing model to distill, as recorded in its workspace."""

import json
import re
from typing import Any, NamedTuple

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from pydantic import ValidationError

from components import names as tfx_names
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.distillation.options import DistillOptions
from pipeline.registry import lineage
from pipeline.registry.models import RegisteredModel, by_model
from trainer.common import exit_codes
from trainer.common.validation import explain

KEY = re.compile(r"\bdistill\.(\w+)")


class DistillError(ValueError):
    """A model that cannot be distilled; the message is one line."""

    exit_code = exit_codes.USAGE


class RecordedTeacher(NamedTuple):
    """What the records say about a model.

    Attributes:
        number: of the model.
        pipeline: the name of the one that made it.
        ids: of the artifacts to read, by the names of Teacher's channels (nodes.py).
        config: the `custom_config` of its training.
        steps: of that training.
        evaluation: properties of the execution that judged it.
    """

    number: int
    pipeline: str
    ids: dict[str, int]
    config: dict[str, Any]
    steps: int
    evaluation: dict[str, Any]


def find_teacher(
    store: MetadataStore, models: list[RegisteredModel], number: int
) -> RecordedTeacher:
    """Finds a model that can be distilled.

    Args:
        store: of ML Metadata.
        models: those in it.
        number: of the model, or of a version of it.

    Raises:
        DistillError: there is no such model, it is not blessed, or its images are gone.
    """
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
    artifacts = {each.id: each for each in store.get_artifacts_by_id(list(ids.values()))}
    for artifact in artifacts.values():
        if artifact.state != mlmd.Artifact.LIVE:
            raise DistillError(
                f"model {model.number}: {artifact.uri} was removed according to retention.runs; "
                "`iadb run` with distill.enabled=true distills the next model"
            )
    contexts = store.get_contexts_by_artifact(model.number)
    (pipeline,) = (context.name for context in contexts if context.type == "pipeline")
    return RecordedTeacher(
        number=model.number,
        pipeline=pipeline,
        ids=ids,
        config=config,
        steps=properties[model.number][trainer_names.STEPS],
        evaluation=properties[evaluation.id],
    )


def configure(
    teacher: RecordedTeacher, options: DistillOptions, batch_size: int | None = None
) -> PipelineConfig:
    """The configuration by which a run would have trained, judged and distilled a model.

    Where the records have no value, it has the default. A `batch_size` takes the place of those
    that they have.

    Raises:
        DistillError: the options do not fit the model.
    """
    config, evaluation = teacher.config, teacher.evaluation
    batch = {} if batch_size is None else {"batch_size": batch_size}
    split = {key.removeprefix("data."): value for key, value in config["split"].items()}
    try:
        return PipelineConfig.model_validate(
            {
                "data": {
                    "resolution": config["resolution"],
                    "channels": config["channels"],
                    **split,
                },
                "model": config["model"],
                "train": {**config["train"], "steps": teacher.steps, **batch},
                "sample": config["sample"],
                "evaluate": {
                    **json.loads(evaluation[evaluator_names.OPTIONS]),
                    "samples": evaluation["samples"],
                    **batch,
                },
                "distill": {**options.model_dump(), "enabled": True},
            }
        )
    except ValidationError as error:
        # The options of `iadb distill` have the names of the keys.
        reason = KEY.sub(lambda key: f"--{key[1].replace('_', '-')}", explain(error.errors()[0]))
        raise DistillError(f"model {teacher.number}: {reason}") from None


def _inputs(store: MetadataStore, execution: int) -> dict[str, int]:
    events = store.get_events_by_execution_ids([execution])
    return {e.path.steps[0].key: e.artifact_id for e in events if e.type == mlmd.Event.INPUT}
