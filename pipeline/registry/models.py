"""The models that were trained in a workspace, and what became of each.

Training, verdict and lineage come from ML Metadata; which versions there are, and of which model,
from the serving folder itself. A store of a thousand runs is read with a dozen calls, none a run.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher.versions import MODEL_NOTE, complete_versions
from components.resolvers.withdrawal import WITHDRAWN_AT_PROPERTY, WITHDRAWN_PROPERTY
from pipeline.registry.lineage import PUBLISHED, find_makers, recorded_at, value_of
from pipeline.registry.serving import read_metadata

PROMOTER_PROPERTY = "promoted_by"  # of a blessing that a person gave: who
PROMOTED_AT_PROPERTY = "promoted_at"  # of such a blessing, in ISO format
REASON_PROPERTY = "reason"  # of a blessing
MODEL_ID_PROPERTY = "current_model_id"  # of a blessing and of an evaluation, as TFX names it


@dataclass(frozen=True)
class Model:
    """One trained model.

    Attributes:
        number: the id of its artifact in ML Metadata.
        trained: when the training was recorded.
        folder: the sampler SavedModel that the Trainer exported.
        blessed: whether the gate did; None where the model was not judged.
        reason: of that verdict.
        promoted: the reason that a person gave for a model that the gate had not blessed, or None.
        promoted_by: who that was.
        promoted_at: when that was, in ISO format.
        withdrawn: why it must not be served again; None where it may be.
        withdrawn_at: when it was withdrawn, in ISO format.
        metrics: by name, of its latest evaluation.
        limited: the metrics that had limits in it.
        images: accepted ones that it was trained and judged on.
        span: the newest of these images.
        spans: all of these images, ascending.
        examples: id of the artifact that holds them.
        parent: number of the model that a warm start was from, or None.
        versions: the complete ones in the serving folder, lowest first.
        live: whether the highest version of the folder is one of them.
    """

    number: int
    trained: datetime
    folder: Path
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
    versions: tuple[int, ...]
    live: bool


def load_models(store: MetadataStore, serving: Path) -> list[Model]:
    """The models of a store, in the order they were trained.

    Args:
        store: of ML Metadata.
        serving: the folder of the versions.
    """
    artifacts = [a for a in store.get_artifacts_by_type("Model") if a.state in PUBLISHED]
    ids = sorted(artifact.id for artifact in artifacts)
    by_id = {artifact.id: artifact for artifact in artifacts}
    inputs = _inputs_by_output(store, ids)
    examples = _by_id(store, [inputs[number].get("examples") for number in ids])
    blessings = _by_model(store.get_artifacts_by_type("ModelBlessing"))
    evaluations = {
        number: found[-1]
        for number, found in _by_model(store.get_artifacts_by_type("ModelEvaluation")).items()
    }
    limited = _limited_metrics(store, [evaluation.id for evaluation in evaluations.values()])
    versions, live = _versions_by_model(serving)
    models = []
    for number in ids:
        properties = _properties(by_id[number])
        data = _properties(examples.get(inputs[number].get("examples")))
        evaluation = evaluations.get(number)
        given = [_properties(blessing) for blessing in blessings[number]]
        verdict = _last(each for each in given if PROMOTER_PROPERTY not in each)
        promotion = _last(each for each in given if PROMOTER_PROPERTY in each)
        models.append(
            Model(
                number=number,
                trained=recorded_at(by_id[number]),
                folder=Path(by_id[number].uri) / "Format-Serving",
                blessed=verdict["blessed"] == 1 if verdict else None,
                reason=verdict.get(REASON_PROPERTY),
                promoted=promotion.get(REASON_PROPERTY),
                promoted_by=promotion.get(PROMOTER_PROPERTY),
                promoted_at=promotion.get(PROMOTED_AT_PROPERTY),
                withdrawn=properties.get(WITHDRAWN_PROPERTY),
                withdrawn_at=properties.get(WITHDRAWN_AT_PROPERTY),
                metrics={k: v for k, v in _properties(evaluation).items() if type(v) is float},
                limited=limited.get(evaluation.id, ()) if evaluation else (),
                images=data.get("accepted"),
                span=data.get("span"),
                spans=tuple(json.loads(data.get("spans", "[]"))),
                examples=inputs[number].get("examples"),
                parent=inputs[number].get("base_model"),
                versions=tuple(versions[number]),
                live=number == live,
            )
        )
    return models


def _inputs_by_output(store: MetadataStore, ids: Collection[int]) -> dict[int, dict[str, int]]:
    """What went into the execution that made each artifact: artifact ids by input key."""
    made_by = find_makers(store, ids)
    inputs = defaultdict(dict)
    for event in store.get_events_by_execution_ids(set(made_by.values())):
        if event.type == mlmd.Event.INPUT:
            inputs[event.execution_id][event.path.steps[0].key] = event.artifact_id
    return {number: inputs[made_by[number]] if number in made_by else {} for number in ids}


def _limited_metrics(store: MetadataStore, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The metrics that had limits in each evaluation, from the options of its execution."""
    made_by = find_makers(store, ids)
    executions = store.get_executions_by_id(set(made_by.values()))
    limited = {
        execution.id: tuple(json.loads(_properties(execution)["options"])["thresholds"])
        for execution in executions
    }
    return {number: limited[execution] for number, execution in made_by.items()}


def _versions_by_model(serving: Path) -> tuple[dict[int, list[int]], int | None]:
    """The versions of each model, and the model that is live; None where no model is known."""
    versions, live = defaultdict(list), None
    for version in complete_versions(serving):
        live = _model_of(version)
        versions[live].append(int(version.name))
    return versions, live


def _model_of(version: Path) -> int | None:
    """The model that a version is of; None for one that something else has put there."""
    try:
        return read_metadata(version).get(MODEL_NOTE)
    except (FileNotFoundError, ValueError):
        return None


def _by_model(artifacts: Iterable[mlmd.Artifact]) -> dict[int, list[mlmd.Artifact]]:
    """Blessings or evaluations by the model that they are about, oldest first."""
    found = defaultdict(list)
    for artifact in sorted(artifacts, key=lambda artifact: artifact.id):
        if MODEL_ID_PROPERTY in artifact.custom_properties:
            found[artifact.custom_properties[MODEL_ID_PROPERTY].int_value].append(artifact)
    return found


def _by_id(store: MetadataStore, ids: Iterable[int | None]) -> dict[int, mlmd.Artifact]:
    return {a.id: a for a in store.get_artifacts_by_id({each for each in ids if each is not None})}


def _properties(record: mlmd.Artifact | mlmd.Execution | None) -> dict[str, Any]:
    """The custom properties of an artifact or execution, by name; none of nothing."""
    if record is None:
        return {}
    # A map of protocol buffers has another order each time that it is read.
    return {name: value_of(value) for name, value in sorted(record.custom_properties.items())}


def _last(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return ([*found] or [{}])[-1]
