"""Which artifacts later runs depend on and retention keeps, by the records in ML Metadata."""

from collections.abc import Collection, Sequence

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.drift_gate import names as drift_names
from components.resolvers.choice import Blessing, choosable, order_blessed
from components.sample_evaluator import names as evaluator_names
from pipeline.registry.lineage import properties, run_contexts
from pipeline.registry.models import RegisteredModel, by_model


def kept_artifacts(
    store: MetadataStore,
    models: Sequence[RegisteredModel],
    served: Collection[int],
    last: int | None,
) -> set[int]:
    """The ids of the artifacts to keep.

    They are chosen by what runs read, not by age: the newest run may have had an artifact of any
    age from the cache.

    Args:
        store: of ML Metadata.
        models: all that it knows.
        served: numbers of the models that are live or can be again.
        last: number of newest runs whose artifacts are kept; None for all.

    Returns:
        Everything these runs read or made, and each model that is served or that a resolver may
        choose, with its blessings and its latest evaluation. Also what later images may be compared
        with.
    """
    blessings = by_model(store.get_artifacts_by_type(evaluator_names.BLESSING_TYPE))
    evaluations = by_model(store.get_artifacts_by_type(evaluator_names.EVALUATION_TYPE))
    students = {model.number for model in models if model.teacher is not None}
    verdicts = {a.id for number in blessings.keys() - students for a in blessings[number]}
    used = _used(store, verdicts, last)
    kept_models = {*served, *_choosable_models(store, models)}
    kept_models |= used & {model.number for model in models}
    kept = used | kept_models | _drift_references(store)
    for number in kept_models:
        kept |= {artifact.id for artifact in (*blessings[number], *evaluations[number][-1:])}
    return kept


def _used(store: MetadataStore, verdicts: Collection[int], last: int | None) -> set[int]:
    """The artifacts that the newest runs read or made, with a judged run of each pipeline.

    If the newest runs of a pipeline all failed on their data, or only distilled a model, or others
    ran since, the next one is compared with what an earlier one left.

    Args:
        store: of ML Metadata.
        verdicts: ids of the blessings of models that are no students.
        last: number of newest runs; None for all.
    """
    used = set()
    of_pipelines = (store.get_artifacts_by_context(each.id) for each in _pipelines(store))
    unseen = [{each.id for each in artifacts}.intersection(verdicts) for artifacts in of_pipelines]
    for i, run in enumerate(reversed(run_contexts(store))):
        newest = last is None or i < last
        if not newest and not any(unseen):
            break
        executions = [execution.id for execution in store.get_executions_by_context(run.id)]
        artifacts = {e.artifact_id for e in store.get_events_by_execution_ids(executions)}
        left = [each for each in unseen if artifacts.isdisjoint(each)]
        if newest or len(left) < len(unseen):
            used |= artifacts
        unseen = left
    return used


def _pipelines(store: MetadataStore) -> list[mlmd.Context]:
    return store.get_contexts_by_type("pipeline")


def _drift_references(store: MetadataStore) -> set[int]:
    """The DriftVerdicts on the newest images of each space, in each pipeline."""
    newest = {}
    for pipeline in _pipelines(store):
        for artifact in store.get_artifacts_by_context(pipeline.id):
            if artifact.type == drift_names.VERDICT_TYPE and artifact.state == mlmd.Artifact.LIVE:
                about = properties(artifact)
                span = about.get(drift_names.SPAN, 0)
                rank = (span, artifact.id)
                # A folder with spans and one without are compared with their own kind alone.
                place = (pipeline.id, about.get(drift_names.SPACE, ""), span > 0)
                newest[place] = max(rank, newest.get(place, rank))
    return {artifact for *_, artifact in newest.values()}


def _choosable_models(store: MetadataStore, models: Sequence[RegisteredModel]) -> set[int]:
    """The models that the resolvers of the next run may choose, in each pipeline."""
    examples = {model.number: {model.examples} - {None} for model in models}
    eligible = {m.number for m in models if not m.withdrawn and m.teacher is None}
    found = set()
    for pipeline in _pipelines(store):
        artifacts = store.get_artifacts_by_context(pipeline.id)
        live = {each.id: each for each in artifacts if each.state == mlmd.Artifact.LIVE}
        given = by_model(
            each for each in live.values() if each.type == evaluator_names.BLESSING_TYPE
        )
        blessings = [
            Blessing(
                each.id, number, each.custom_properties[evaluator_names.BLESSED].int_value == 1
            )
            for number, of_model in given.items()
            for each in of_model
        ]
        found |= choosable([*order_blessed(eligible & live.keys(), blessings)], examples)
    return found
