"""Which artifacts later runs rest on, and so stay: told by the records in ML Metadata."""

from collections.abc import Collection, Iterable, Sequence

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.registry.lineage import run_contexts
from pipeline.registry.models import MODEL_ID_PROPERTY, RegisteredModel


def kept_artifacts(
    store: MetadataStore, models: Sequence[RegisteredModel], served: Collection[int], last: int | None
) -> set[int]:
    """The ids of the artifacts that stay.

    By what was read and not by age: an artifact of an old run may be one that the newest run took
    from the cache.

    Args:
        store: of ML Metadata.
        models: all that it knows.
        served: numbers of the models that are live or can be again.
        last: number of newest runs whose artifacts stay; None for all.

    Returns:
        All that these runs read or made, and each model that is served or may be compared with or
        started from, with its blessings and its latest evaluation.
    """
    blessings = _models_by_artifact(store.get_artifacts_by_type("ModelBlessing"))
    evaluations = _models_by_artifact(store.get_artifacts_by_type("ModelEvaluation"))
    used = _used(store, blessings, last)
    kept_models = {model.number for model in models if model.number in used}
    kept_models |= {*served, *_baselines(store, models)}
    latest = {model: evaluation for evaluation, model in sorted(evaluations.items())}
    kept = used | kept_models
    kept |= {blessing for blessing, model in blessings.items() if model in kept_models}
    kept |= {evaluation for model, evaluation in latest.items() if model in kept_models}
    return kept


def _used(store: MetadataStore, blessings: Collection[int], last: int | None) -> set[int]:
    """What the newest runs read or made; among them one that had to do with a verdict.

    Where all newest ones failed on their data, one before them has what comes next is compared to.
    """
    used, judged = set(), False
    for i, run in enumerate(reversed(run_contexts(store))):
        newest = last is None or i < last
        if judged and not newest:
            break
        executions = [execution.id for execution in store.get_executions_by_context(run.id)]
        artifacts = {e.artifact_id for e in store.get_events_by_execution_ids(executions)}
        with_verdict = not artifacts.isdisjoint(blessings)
        if newest or with_verdict:
            used |= artifacts
        judged |= with_verdict
    return used


def _baselines(store: MetadataStore, models: Sequence[RegisteredModel]) -> set[int]:
    """The models that resolvers can find next, in each pipeline.

    A model is compared with the latest blessed one, or where it is that, with the one before
    (components/resolvers/baseline.py). A training starts from the latest that was trained on
    other examples (components/resolvers/base_model.py).
    """
    found = set()
    by_number = {model.number: model for model in models}
    for pipeline in store.get_contexts_by_type("pipeline"):
        blessed = [
            by_number[number]
            for number in _blessed_models(store.get_artifacts_by_context(pipeline.id))
            if not by_number[number].withdrawn
        ]
        others = [model for model in blessed if model.examples != blessed[-1].examples]
        found |= {model.number for model in [*blessed[-2:], *others[-1:]]}
    return found


def _blessed_models(artifacts: Iterable[mlmd.Artifact]) -> list[int]:
    """The numbers of the models of a pipeline that are there and blessed, by first blessing."""
    live = {a.id: a for a in artifacts if a.state == mlmd.Artifact.LIVE}
    blessings = [
        live[number]
        for number in sorted(live)
        if live[number].type == "ModelBlessing"
        and live[number].custom_properties["blessed"].int_value == 1
    ]
    return [m for m in dict.fromkeys(_models_by_artifact(blessings).values()) if m in live]


def _models_by_artifact(artifacts: Iterable[mlmd.Artifact]) -> dict[int, int]:
    """The model that each blessing or evaluation is about."""
    return {
        artifact.id: artifact.custom_properties[MODEL_ID_PROPERTY].int_value
        for artifact in artifacts
        if MODEL_ID_PROPERTY in artifact.custom_properties
    }
