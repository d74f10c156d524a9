"""The models that a workspace trained, and what became of each.

Trainings, verdicts and lineage come from ML Metadata; the versions, and whose they are, from the
serving folder itself. A dozen calls read a store of a thousand runs; none is made per run.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher.versions import METADATA, MODEL_NOTE, complete_versions
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import WITHDRAWN_AT_PROPERTY, WITHDRAWN_PROPERTY
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.options import judged_names
from pipeline.registry.lineage import (
    PUBLISHED,
    find_makers,
    maker_properties,
    metrics_of,
    properties,
    recorded_at,
)
from pipeline.registry.serving import NoModelError, is_copy, read_metadata
from trainer.common.files import open_below
from trainer.common.remote_path import AnyPath, to_path

PROMOTER_PROPERTY = "promoted_by"  # of a promotion's blessing: the user
PROMOTED_AT_PROPERTY = "promoted_at"  # of a promotion's blessing, in ISO format


@dataclass(frozen=True)
class RegisteredModel:
    """One trained model.

    Attributes:
        number: the id of its artifact in ML Metadata.
        trained: when the training was recorded.
        folder: the sampler SavedModel that the Trainer exported.
        blessed: the gate's verdict; None where the model was not judged.
        reason: of that verdict.
        promoted: the reason of a promotion, for a model that the gate rejected, or None.
        promoted_by: the user who promoted it.
        promoted_at: when, in ISO format.
        withdrawn: why it must not be served again; None where it may be.
        withdrawn_at: when it was withdrawn, in ISO format.
        metrics: of its latest evaluation, by name.
        limited: the metrics that had limits in it.
        images: accepted ones that it was trained and judged on.
        span: the newest of these images.
        spans: all of these images, ascending.
        examples: id of the artifact that holds them.
        parent: number of the model that a warm start was from, or None.
        teacher: number of the model that a student was distilled from, or None.
        versions: the complete ones in the serving folder, lowest first.
        live: whether the highest version of the folder is one of them.
    """

    number: int
    trained: datetime
    folder: AnyPath
    blessed: bool | None
    reason: str | None
    promoted: str | None
    promoted_by: str | None
    promoted_at: str | None
    withdrawn: str | None
    withdrawn_at: str | None
    metrics: dict[str, float]
    limited: tuple[str, ...]
    images: int | None
    span: int | None
    spans: tuple[int, ...]
    examples: int | None
    parent: int | None
    teacher: int | None
    versions: tuple[int, ...]
    live: bool

    @property
    def verdict(self) -> str:
        """What was decided last: withdrawn, promoted, blessed, not blessed or not judged."""
        if self.withdrawn:
            return "withdrawn"
        return "promoted" if self.promoted else self.judged

    @property
    def judged(self) -> str:
        """The gate's verdict, whatever was decided since: blessed, not blessed or not judged."""
        return {None: "not judged", True: "blessed", False: "not blessed"}[self.blessed]


def load_models(store: MetadataStore, serving: AnyPath) -> list[RegisteredModel]:
    """The models of a store, in the order they were trained.

    Args:
        store: of ML Metadata.
        serving: the folder of the versions.
    """
    artifacts = {
        a.id: a
        for a in store.get_artifacts_by_type(trainer_names.MODEL_TYPE)
        if a.state in PUBLISHED
    }
    inputs = _inputs_by_output(store, artifacts)
    ids = {
        each[trainer_names.EXAMPLES] for each in inputs.values() if trainer_names.EXAMPLES in each
    }
    examples = {artifact.id: properties(artifact) for artifact in store.get_artifacts_by_id(ids)}
    blessings = by_model(store.get_artifacts_by_type(evaluator_names.BLESSING_TYPE))
    evaluations = by_model(store.get_artifacts_by_type(evaluator_names.EVALUATION_TYPE))
    limited = _limited_metrics(store, [found[-1].id for found in evaluations.values()])
    versions, live = _versions_by_model(serving, artifacts)
    models = []
    for number, artifact in sorted(artifacts.items()):
        about = properties(artifact)
        teacher = about.get(trainer_names.TEACHER)
        read = inputs.get(number, {}).get(trainer_names.EXAMPLES)
        data = examples.get(read, {})
        evaluation = evaluations[number][-1] if number in evaluations else None
        given = [properties(blessing) for blessing in blessings[number]]
        verdict = _last(each for each in given if PROMOTER_PROPERTY not in each)
        promotion = _last(each for each in given if PROMOTER_PROPERTY in each)
        models.append(
            RegisteredModel(
                number=number,
                trained=recorded_at(artifact),
                folder=to_path(artifact.uri) / trainer_names.SERVING,
                blessed=verdict[evaluator_names.BLESSED] == 1 if verdict else None,
                reason=verdict.get(evaluator_names.REASON),
                promoted=promotion.get(evaluator_names.REASON),
                promoted_by=promotion.get(PROMOTER_PROPERTY),
                promoted_at=promotion.get(PROMOTED_AT_PROPERTY),
                withdrawn=about.get(WITHDRAWN_PROPERTY),
                withdrawn_at=about.get(WITHDRAWN_AT_PROPERTY),
                metrics=metrics_of(evaluation),
                limited=limited.get(evaluation.id, ()) if evaluation else (),
                images=data.get(example_names.ACCEPTED),
                span=data.get(example_names.SPAN),
                spans=tuple(json.loads(data.get(example_names.SPANS, "[]"))),
                examples=read,
                parent=about.get(trainer_names.STARTED_FROM),
                teacher=teacher,
                versions=tuple(versions[number]),
                live=number == live,
            )
        )
    return models


def withdrawn_teacher(
    model: RegisteredModel, models: Sequence[RegisteredModel]
) -> RegisteredModel | None:
    """The teacher of a student, if it was withdrawn: its faults are those of the student."""
    return next((each for each in models if each.number == model.teacher and each.withdrawn), None)


def by_model(artifacts: Iterable[mlmd.Artifact]) -> defaultdict[int, list[mlmd.Artifact]]:
    """Blessings or evaluations by the number of the model they are about, oldest first."""
    found = defaultdict(list)
    for artifact in sorted(artifacts, key=lambda artifact: artifact.id):
        if evaluator_names.MODEL_ID in artifact.custom_properties:
            found[artifact.custom_properties[evaluator_names.MODEL_ID].int_value].append(artifact)
    return found


def _inputs_by_output(store: MetadataStore, ids: Collection[int]) -> dict[int, dict[str, int]]:
    """The inputs of the execution that made each artifact: artifact ids by input key."""
    made_by = find_makers(store, ids)
    inputs = defaultdict(dict)
    for event in store.get_events_by_execution_ids(set(made_by.values())):
        if event.type == mlmd.Event.INPUT:
            inputs[event.execution_id][event.path.steps[0].key] = event.artifact_id
    return {number: inputs[made_by[number]] if number in made_by else {} for number in ids}


def _limited_metrics(store: MetadataStore, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The metrics that had limits in each evaluation, from the options of its execution."""
    return {
        number: judged_names(json.loads(made[evaluator_names.OPTIONS]))
        for number, made in maker_properties(store, ids).items()
    }


def _versions_by_model(
    serving: AnyPath, models: Mapping[int, mlmd.Artifact]
) -> tuple[dict[int, list[int]], int | None]:
    """The versions of each model, and the live model; None where it is not a known one."""
    versions, live = defaultdict(list), None
    for version in complete_versions(serving):
        live = _model_of(version)
        if live in models and _is_another(version, to_path(models[live].uri)):
            live = None
        versions[live].append(int(version.name))
    return versions, live


def _model_of(version: AnyPath) -> int | None:
    """The model of a version; None for one that something else put there."""
    try:
        if isinstance(version, Path):
            with open_below(version.parent, version / METADATA) as file:
                notes = json.load(file)
        else:  # a bucket has no links
            notes = read_metadata(version)
    # RecursionError: JSON that is nested too deeply.
    except (OSError, ValueError, RecursionError, NoModelError):
        return None
    number = notes.get(MODEL_NOTE) if isinstance(notes, dict) else None
    return number if isinstance(number, int) else None


def _is_another(version: AnyPath, model: AnyPath) -> bool:
    """Whether a version is a copy of another model than the one that has its number now.

    Numbers come again if the metadata are restored from a backup.
    """
    if not isinstance(version, Path):  # in a bucket, each file is a request
        return False
    try:
        return not is_copy(version, model / trainer_names.SERVING)
    except OSError:  # retention removed one, or it has no fingerprint
        return False


def _last(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return ([*found] or [{}])[-1]
