"""Makes another model live than the pipeline did: an earlier one, or one that the gate rejected."""

import getpass
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher.versions import MODEL_NOTE, ROLLBACK_NOTE, TEACHER_NOTE, publish
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import (
    WITHDRAWN_AT_PROPERTY,
    WITHDRAWN_PROPERTY,
    Withdrawal,
    drawn_by,
    remember,
)
from components.sample_evaluator import names as evaluator_names
from pipeline.registry import lineage, serving
from pipeline.registry.models import (
    PROMOTED_AT_PROPERTY,
    PROMOTER_PROPERTY,
    RegisteredModel,
    load_models,
    withdrawn_teacher,
)
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.remote_path import AnyPath

PROMOTION_TYPE = "Promotion"  # of executions


class LiveModelError(ValueError):
    """A model that cannot be made live; the message is one line."""

    exit_code = exit_codes.USAGE


def rollback(workspace: Workspace, number: int | None, reason: str) -> tuple[AnyPath, list[int]]:
    """Makes an earlier model live again, and withdraws the models that were pushed after it.

    If it is killed, calling it again completes it.

    Args:
        workspace: that no run uses.
        number: of a version, or of a model; None for the model that was pushed before the live one.
        reason: why the later models are withdrawn.

    Returns:
        The folder of the new version, and the numbers of the models it withdrew.

    Raises:
        LiveModelError: the model does not exist, has no version left, is live, or it or its
            teacher was withdrawn or would be.
        WorkspaceError: the workspace is in use, read-only or full.
    """
    store = _connect(workspace)
    with workspace.locked():
        lineage.follow_move(store, workspace)
        models = load_models(store, workspace.serving)
        if number is None:
            target = _before_live(models)
        else:
            target = _find(models, number)
            if not target.versions:
                raise LiveModelError(
                    f"model {target.number}: has no version in {workspace.serving}; "
                    "`iadb models` lists the versions"
                )
            _check_may_go_live(target, models)
        version = target.versions[-1]
        bad = [
            model.number
            for model in models
            if not model.withdrawn and model.versions and model.versions[-1] > version
        ]
        if _teacher_is_later(target, models):
            raise LiveModelError(
                f"model {target.number}: is a student of model {target.teacher}, which was pushed "
                "again after it and would be withdrawn; distill another one with `iadb distill`"
            )
        _remember(workspace, [model for model in models if model.number in bad], target, reason)
        _withdraw(store, bad, reason)
        notes = {MODEL_NOTE: target.number, ROLLBACK_NOTE: version}
        return publish(workspace.serving / str(version), workspace.serving, notes), bad


def promote(workspace: Workspace, number: int, reason: str) -> AnyPath:
    """Pushes a model that the gate rejected, and makes it the baseline of later runs.

    If it is killed, calling it again completes it.

    Args:
        workspace: that no run uses.
        number: of a model, or of a version.
        reason: recorded in ML Metadata, with the user's name, in a blessing of the model.

    Returns:
        The folder of the new version.

    Raises:
        LiveModelError: the model does not exist, was not judged, is blessed, withdrawn or live, a
            student of a withdrawn model, or cannot be served.
        WorkspaceError: the workspace is in use, read-only or full.
    """
    store = _connect(workspace)
    with workspace.locked():
        lineage.follow_move(store, workspace)
        models = load_models(store, workspace.serving)
        model = _find(models, number)
        _check_may_go_live(model, models)
        if model.versions:
            raise LiveModelError(
                f"model {model.number}: was live as version {model.versions[-1]}; "
                f"`iadb rollback {model.versions[-1]}` makes it live again"
            )
        if model.blessed is not False:
            state = "was not judged" if model.blessed is None else "is blessed"
            command = "`iadb run` with its configuration"
            if model.teacher is not None:
                command += f" or `iadb distill {model.teacher}`, as it was begun,"
            raise LiveModelError(f"model {model.number}: {state}; {command} completes it")
        (artifact,) = store.get_artifacts_by_id([model.number])
        folder = lineage.place_of(artifact, workspace.artifacts) / trainer_names.SERVING
        if not folder.exists():
            raise LiveModelError(
                f"model {model.number}: its files were removed according to retention.runs; train "
                "it again with `iadb run`"
            )
        result = serving.check(folder)
        if result.returncode:
            raise LiveModelError(f"model {model.number}: {serving.describe_failure(result)}")
        _bless(store, artifact, workspace.artifacts, reason)
        notes = {MODEL_NOTE: model.number}
        if model.teacher is not None:
            notes[TEACHER_NOTE] = model.teacher
        return publish(folder, workspace.serving, notes)


def _connect(workspace: Workspace) -> MetadataStore:
    if not workspace.metadata.exists():
        raise LiveModelError(f"no models in {workspace.folder}; `iadb run` trains one")
    return lineage.connect(workspace.metadata)


def _find(models: Sequence[RegisteredModel], number: int) -> RegisteredModel:
    """The model of a version, else the model of this number."""
    found = [model for model in models if number in model.versions]
    found += [model for model in models if number == model.number]
    if found:
        return found[0]
    raise LiveModelError(f"{number}: neither a version nor a model; `iadb models` lists them")


def _before_live(models: Sequence[RegisteredModel]) -> RegisteredModel:
    earlier = [
        model
        for model in models
        if model.versions
        and not (model.live or model.withdrawn or withdrawn_teacher(model, models))
        and not _teacher_is_later(model, models)
    ]
    if not earlier:
        raise LiveModelError("there is no earlier version to roll back to; see `iadb models`")
    return max(earlier, key=lambda model: model.versions[-1])


def _teacher_is_later(model: RegisteredModel, models: Sequence[RegisteredModel]) -> bool:
    """Whether the teacher of a student was pushed again after it, and would be withdrawn."""
    return any(
        each.number == model.teacher and each.versions[-1:] > model.versions[-1:] for each in models
    )


def _check_may_go_live(model: RegisteredModel, models: Sequence[RegisteredModel]) -> None:
    if model.live:
        raise LiveModelError(f"model {model.number}: is live, as version {model.versions[-1]}")
    if model.withdrawn:
        instead = "train a new one with `iadb run`"
        if model.teacher is not None and not withdrawn_teacher(model, models):
            instead = f"`iadb distill {model.teacher} --steps ...` makes a new one"
        raise LiveModelError(
            f"model {model.number}: was withdrawn at {model.withdrawn_at} ({model.withdrawn}); "
            f"{instead}"
        )
    if teacher := withdrawn_teacher(model, models):
        raise LiveModelError(
            f"model {model.number}: is a student of model {teacher.number}, which was withdrawn at "
            f"{teacher.withdrawn_at} ({teacher.withdrawn}); distill another one with `iadb distill`"
        )


def _remember(
    workspace: Workspace, bad: Sequence[RegisteredModel], target: RegisteredModel, reason: str
) -> None:
    """Has trainings that have ended make no other model that draws the same as bad ones."""
    good = drawn_by(_metadata(workspace, target))
    for about in (_metadata(workspace, model) for model in bad):
        if drawn_by(about) != good:
            remember(workspace.checkpoints, about, Withdrawal(reason, _now()))


def _metadata(workspace: Workspace, model: RegisteredModel) -> dict[str, Any]:
    """The metadata of the newest version of a model; empty if they are damaged."""
    try:
        return serving.read_metadata(workspace.serving / str(model.versions[-1]))
    except serving.NoModelError:
        return {}


def _withdraw(store: MetadataStore, numbers: Sequence[int], reason: str) -> None:
    artifacts, now = store.get_artifacts_by_id(numbers), _now()
    for artifact in artifacts:
        artifact.custom_properties[WITHDRAWN_PROPERTY].string_value = reason
        artifact.custom_properties[WITHDRAWN_AT_PROPERTY].string_value = now
    store.put_artifacts(artifacts)


def _bless(store: MetadataStore, artifact: mlmd.Artifact, artifacts: AnyPath, reason: str) -> None:
    """Records a blessing where the resolvers of later runs find it: in the model's pipeline."""
    contexts = [c for c in store.get_contexts_by_artifact(artifact.id) if c.type == "pipeline"]
    execution = mlmd.Execution(last_known_state=mlmd.Execution.COMPLETE)
    execution.type_id = store.put_execution_type(mlmd.ExecutionType(name=PROMOTION_TYPE))
    blessing = mlmd.Artifact(state=mlmd.Artifact.LIVE)
    blessing.type_id = store.get_artifact_type(evaluator_names.BLESSING_TYPE).id
    recorded = artifact.uri.rsplit("/", 3)[0]  # the artifacts as the runs reach them
    blessing.uri = f"{recorded}/{PROMOTION_TYPE}/{evaluator_names.BLESSING}/{artifact.id}"
    folder = lineage.place_of(blessing, artifacts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / evaluator_names.BLESSED_FILE).touch()  # as TFX marks it
    blessing.custom_properties[evaluator_names.BLESSED].int_value = 1
    blessing.custom_properties[evaluator_names.MODEL_ID].int_value = artifact.id
    blessing.custom_properties["current_model"].string_value = artifact.uri
    blessing.custom_properties[evaluator_names.REASON].string_value = reason
    blessing.custom_properties[PROMOTER_PROPERTY].string_value = _user()
    blessing.custom_properties[PROMOTED_AT_PROPERTY].string_value = _now()
    pairs = [
        (artifact, _event(mlmd.Event.INPUT, evaluator_names.MODEL)),
        (blessing, _event(mlmd.Event.OUTPUT, evaluator_names.BLESSING)),
    ]
    store.put_execution(execution, pairs, contexts)


def _user() -> str:
    try:
        return getpass.getuser()
    except KeyError:  # a user in a container may have no name
        return f"user {os.getuid()}"


def _event(kind: int, key: str) -> mlmd.Event:
    event = mlmd.Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event


def _now() -> str:
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
