"""Questions to ML Metadata: which runs there were, what they made, what was decided.

Imports neither TFX nor TensorFlow, so that a look at the history costs a second.
"""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.resolvers.withdrawal import WITHDRAWN_PROPERTY

STATES = {
    mlmd.Execution.NEW: "interrupted",
    mlmd.Execution.RUNNING: "interrupted",
    mlmd.Execution.COMPLETE: "done",
    mlmd.Execution.FAILED: "failed",
    mlmd.Execution.CACHED: "cached",
    mlmd.Execution.CANCELED: "interrupted",
}
# Of what an execution has made to its end, whether its files are still there or not.
PUBLISHED = {mlmd.Artifact.LIVE, mlmd.Artifact.MARKED_FOR_DELETION, mlmd.Artifact.DELETED}


@dataclass(frozen=True)
class Node:
    """One node of a run.

    Attributes:
        id: the node's id.
        state: done, cached, failed or interrupted (which a node still running looks like, too).
        started: when its execution was recorded.
        seconds: between the first and the last record of the execution.
    """

    id: str
    state: str
    started: datetime
    seconds: float


@dataclass
class Run:
    """One run of a pipeline, with what it made, read from the artifacts' properties.

    These stay when the files are removed (retention.py); no path leads to files that are not there.

    Attributes:
        id: TFX's pipeline run id.
        nodes: in the order they ran.
        artifacts: the outputs, by node id and output key.
    """

    id: str
    nodes: list[Node] = field(default_factory=list)
    artifacts: dict[tuple[str, str], mlmd.Artifact] = field(default_factory=dict)

    def _folder(self, node: str, key: str) -> Path | None:
        artifact = self.artifacts.get((node, key))
        live = artifact is not None and artifact.state == mlmd.Artifact.LIVE
        return Path(artifact.uri) if live else None

    def _property(self, node: str, key: str, name: str) -> Any:
        artifact = self.artifacts.get((node, key))
        if artifact is None or artifact.state not in PUBLISHED:
            return None
        value = artifact.custom_properties.get(name)
        return None if value is None else value_of(value)

    @property
    def started(self) -> datetime:
        """When the first node was recorded."""
        return self.nodes[0].started

    def images(self, count: str) -> int | None:
        """A count of ImageExampleGen: files, accepted, rejected or duplicates."""
        return self._property("ImageExampleGen", "examples", count)

    @property
    def rejected_report(self) -> Path | None:
        """The report of rejected files."""
        folder = self._folder("ImageExampleGen", "examples")
        return folder / "rejected.json" if folder else None

    @property
    def drifted(self) -> bool | None:
        """Whether the images differ from those before; None where they were not looked at."""
        value = self._property("DriftGate", "verdict", "drifted")
        return None if value is None else value == 1

    @property
    def drift_summary(self) -> str | None:
        """What DriftGate said, in one line."""
        return self._property("DriftGate", "verdict", "summary")

    @property
    def evaluation(self) -> Path | None:
        """Folder of the evaluation: metrics.json, report.html, samples."""
        return self._folder("SampleEvaluator", "evaluation")

    @property
    def metrics(self) -> dict[str, Any] | None:
        """The content of metrics.json."""
        path = self.evaluation and self.evaluation / "metrics.json"
        return json.loads(path.read_text("utf-8")) if path and path.exists() else None

    @property
    def blessed(self) -> bool | None:
        """Whether the model was blessed; None where the run did not come so far."""
        value = self._property("SampleEvaluator", "blessing", "blessed")
        return None if value is None else value == 1

    @property
    def reason(self) -> str | None:
        """Of that verdict."""
        return self._property("SampleEvaluator", "blessing", "reason")

    @property
    def model(self) -> Path | None:
        """The sampler SavedModel that the Trainer exported."""
        folder = self._folder("Trainer", "model")
        return folder / "Format-Serving" if folder else None

    @property
    def withdrawn(self) -> str | None:
        """Why the model must not be served again; None where it may be."""
        return self._property("Trainer", "model", WITHDRAWN_PROPERTY)

    @property
    def pushed(self) -> Path | None:
        """Where the model was pushed; None where it was not."""
        if self._property("Pusher", "pushed_model", "pushed") != 1:
            return None
        return Path(self._property("Pusher", "pushed_model", "pushed_destination"))


def value_of(value: mlmd.Value) -> Any:
    """The content of a property."""
    return getattr(value, value.WhichOneof("value"))


def recorded_at(artifact: mlmd.Artifact) -> datetime:
    """When an artifact was recorded, in the local time zone."""
    return datetime.fromtimestamp(artifact.create_time_since_epoch / 1000).astimezone()


def find_makers(store: MetadataStore, ids: Collection[int]) -> dict[int, int]:
    """The execution that made each artifact: the first, since later ones took it from the cache."""
    executions = {}
    for event in store.get_events_by_artifact_ids(ids):
        if event.type == mlmd.Event.OUTPUT:
            execution = executions.get(event.artifact_id, event.execution_id)
            executions[event.artifact_id] = min(execution, event.execution_id)
    return executions


def connect(database: Path) -> MetadataStore:
    """Opens an existing metadata database."""
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
    return MetadataStore(config)


def run_ids(store: MetadataStore) -> list[str]:
    """TFX's ids of the runs of a store, oldest first."""
    return [context.name for context in run_contexts(store)]


def runs(store: MetadataStore, last: int | None = None) -> list[Run]:
    """The runs of a store, oldest first; with `last`, only that many of the newest."""
    contexts = run_contexts(store)
    if last is not None:
        contexts = contexts[-last:]
    node_ids = _node_ids(store)
    by_run = {c.name: store.get_executions_by_context(c.id) for c in contexts}
    outputs = _outputs(store, [e.id for executions in by_run.values() for e in executions])
    found = []
    for run_id, executions in by_run.items():
        run = Run(run_id)
        for execution in sorted(executions, key=lambda execution: execution.id):
            node_id = node_ids[execution.id]
            run.nodes.append(_node(node_id, execution))
            for key, artifact in outputs[execution.id].items():
                run.artifacts[node_id, key] = artifact
        if run.nodes:
            found.append(run)
    return found


def run_contexts(store: MetadataStore) -> list[mlmd.Context]:
    """What ML Metadata files the runs under, oldest first."""
    return sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)


def _node_ids(store: MetadataStore) -> dict[int, str]:
    """The node of each execution: a call a node, where a call an execution takes seconds."""
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
    )
