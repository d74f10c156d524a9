"""Which artifacts later runs depend on and retention keeps, by the records in ML Metadata."""

from collections.abc import Collection, Sequence

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.pair_gen import names as pair_names
from components.resolvers.choice import Blessing, choosable, order_blessed
from components.sample_evaluator import names as evaluator_names
from pipeline.registry.lineage import run_contexts
from pipeline.registry.models import RegisteredModel, by_model


def kept_artifacts(
    store: MetadataStore,
    models: Sequence[RegisteredModel],
    served: Collection[int],
    last: int | None,
    last_pairs: int | None,
) -> set[int]:
    """The ids of the artifacts to keep.

    They are chosen by what runs read, not by age: the newest run may have had an artifact of any
    age from the cache.

    Args:
        store: of ML Metadata.
        models: all that it knows.
        served: numbers of the models that are live or can be again.
        last: number of newest runs whose artifacts are kept; None for all.
        last_pairs: number of artifacts with the pairs of a student, of which only its training
            reads; None for all.

    Returns:
        Everything these runs read or made, but for older pairs, and each model that is served or
        that a resolver may choose, with its blessings and its latest evaluation.
    """
    blessings = by_model(store.get_artifacts_by_type(evaluator_names.BLESSING_TYPE))
    evaluations = by_model(store.get_artifacts_by_type(evaluator_names.EVALUATION_TYPE))
    students = {model.number for model in models if model.teacher is not None}
    verdicts = {a.id for number in blessings.keys() - students for a in blessings[number]}
    used = _used(store, verdicts, last)
    kept_models = {*served, *_choosable_models(store, models)}
    kept_models |= used & {model.number for model in models}
    kept = used | kept_models
    for number in kept_models:
        kept |= {artifact.id for artifact in (*blessings[number], *evaluations[number][-1:])}
    return kept - _older_pairs(store, last_pairs)


def _older_pairs(store: MetadataStore, keep: int | None) -> set[int]:
    """All artifacts of pairs but the few that were used last."""
    examples = store.get_artifacts_by_type(pair_names.PAIRS_TYPE)
    pairs = {each.id for each in examples if pair_names.PAIRS in each.custom_properties}
    if keep is None or len(pairs) <= keep:
        return set()
    events = store.get_events_by_artifact_ids(list(pairs))
    last_first = sorted(events, key=lambda event: event.execution_id, reverse=True)
    return pairs.difference([*dict.fromkeys(event.artifact_id for event in last_first)][:keep])


def _used(store: MetadataStore, verdicts: Collection[int], last: int | None) -> set[int]:
    """The artifacts that the newest runs read or made, at least one run with a verdict among them.

    If the newest runs all failed on their data, or only distilled a model, the next one is compared
    with what an earlier one left.

    Args:
        store: of ML Metadata.
        verdicts: ids of the blessings of models that are no students.
        last: number of newest runs; None for all.
    """
    used, judged = set(), False
    for i, run in enumerate(reversed(run_contexts(store))):
        newest = last is None or i < last
        if judged and not newest:
            break
        executions = [execution.id for execution in store.get_executions_by_context(run.id)]
        artifacts = {e.artifact_id for e in store.get_events_by_execution_ids(executions)}
        with_verdict = not artifacts.isdisjoint(verdicts)
        if newest or with_verdict:
            used |= artifacts
        judged |= with_verdict
    return used


def _choosable_models(store: MetadataStore, models: Sequence[RegisteredModel]) -> set[int]:
    """The models that the resolvers of the next run may choose, in each pipeline."""
    examples = {model.number: {model.examples} - {None} for model in models}
    eligible = {m.number for m in models if not m.withdrawn and m.teacher is None}
    found = set()
    for pipeline in store.get_contexts_by_type("pipeline"):
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
