"""Reads all runs at once: one call per node and per run would take seconds."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.registry.lineage.records import properties
from pipeline.registry.lineage.run import Node, Run

STATES = {
    mlmd.Execution.NEW: "interrupted",
    mlmd.Execution.RUNNING: "interrupted",
    mlmd.Execution.COMPLETE: "done",
    mlmd.Execution.FAILED: "failed",
    mlmd.Execution.CACHED: "cached",
    mlmd.Execution.CANCELED: "interrupted",
}
RESULT_PROPERTY = "result"  # of a run's context: its result as JSON (outcome.py)


def runs(store: MetadataStore, last: int | None = None) -> list[Run]:
    """The runs of a store, oldest first; with `last`, only that many of the newest."""
    contexts = run_contexts(store)[-last if last else None :]
    node_ids = _node_ids(store)
    by_run = {c.name: store.get_executions_by_context(c.id) for c in contexts}
    outputs = _outputs(store, [e.id for executions in by_run.values() for e in executions])
    found = []
    for context in contexts:
        created = datetime.fromtimestamp(context.create_time_since_epoch / 1000)
        result = properties(context).get(RESULT_PROPERTY)
        run = Run(context.name, result=result, created=created)
        for execution in sorted(by_run[run.id], key=lambda execution: execution.id):
            node_id = node_ids[execution.id]
            run.nodes.append(_node(node_id, execution))
            run.artifacts |= {(node_id, key): each for key, each in outputs[execution.id].items()}
        if run.model_number is None:  # of `iadb distill`, whose only model is a student
            run = run.student or run
        if run.nodes or run.result:
            found.append(run)
    return found


def run_contexts(store: MetadataStore) -> list[mlmd.Context]:
    """The contexts of the runs, oldest first."""
    return sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)


def _node_ids(store: MetadataStore) -> dict[int, str]:
    """The node of each execution, by one call per node: one per execution takes seconds."""
    return {
        execution.id: context.name.rpartition(".")[2]  # it is named <pipeline>.<node id>
        for context in store.get_contexts_by_type("node")
        for execution in store.get_executions_by_context(context.id)
    }


def _outputs(store: MetadataStore, executions: list[int]) -> dict[int, dict[str, mlmd.Artifact]]:
    """The outputs of executions, by execution id and output key."""
    events = [e for e in store.get_events_by_execution_ids(executions) if e.type == e.OUTPUT]
    ids = {event.artifact_id for event in events}
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts_by_id(ids)}
    outputs = defaultdict(dict)
    for event in events:
        outputs[event.execution_id][event.path.steps[0].key] = artifacts[event.artifact_id]
    return outputs


def _node(node_id: str, execution: mlmd.Execution) -> Node:
    created, updated = execution.create_time_since_epoch, execution.last_update_time_since_epoch
    return Node(
        node_id,
        STATES.get(execution.last_known_state, "interrupted"),
        datetime.fromtimestamp(created / 1000),
        (updated - created) / 1000,
        properties(execution),
    )


def find_makers(store: MetadataStore, ids: Collection[int]) -> dict[int, int]:
    """The execution that made each artifact: the first one, as later ones had it from the cache."""
    executions = {}
    for event in store.get_events_by_artifact_ids(ids):
        if event.type == mlmd.Event.OUTPUT:
            execution = executions.get(event.artifact_id, event.execution_id)
            executions[event.artifact_id] = min(execution, event.execution_id)
    return executions


def maker_properties(store: MetadataStore, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The properties of the execution that made each artifact, by the artifact's id."""
    made_by = find_makers(store, ids)
    executions = {each.id: each for each in store.get_executions_by_id(set(made_by.values()))}
    return {number: properties(executions[made]) for number, made in made_by.items()}
