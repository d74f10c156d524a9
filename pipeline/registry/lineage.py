"""The runs of a pipeline, what they made and what was decided, from ML Metadata.

Imports neither TFX nor TensorFlow, so that reading the history takes a second.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher import names as pusher_names
from components.drift_gate import names as drift_names
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY
from components.sample_evaluator import names as evaluator_names
from pipeline.registry.names import CHOSEN
from trainer.common.remote_path import AnyPath, to_path

if TYPE_CHECKING:  # psycopg is in the extra kubeflow
    from pipeline.metadata.database import Database

STATES = {
    mlmd.Execution.NEW: "interrupted",
    mlmd.Execution.RUNNING: "interrupted",
    mlmd.Execution.COMPLETE: "done",
    mlmd.Execution.FAILED: "failed",
    mlmd.Execution.CACHED: "cached",
    mlmd.Execution.CANCELED: "interrupted",
}
RESULT_PROPERTY = "result"  # of a run's context: its result as JSON (outcome.py)
TEACHER_NODES = {  # by the nodes that do the same for a student
    trainer_names.STUDENT: trainer_names.NODE,
    evaluator_names.STUDENT_NODE: evaluator_names.NODE,
    pusher_names.STUDENT_NODE: pusher_names.NODE,
}
# Of artifacts that an execution completed, whether their files still exist or not.
PUBLISHED = {mlmd.Artifact.LIVE, mlmd.Artifact.MARKED_FOR_DELETION, mlmd.Artifact.DELETED}


@dataclass(frozen=True)
class Node:
    """One node of a run.

    Attributes:
        id: the node's id.
        state: done, cached, failed or interrupted (also while the node still runs).
        started: when its execution was recorded.
        seconds: between the first and the last record of the execution.
        properties: of the execution, by name.
    """

    id: str
    state: str
    started: datetime
    seconds: float
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """One run of a pipeline and what it made, from the properties of its artifacts.

    Properties outlive the files (retention.py); paths of removed files are None.

    Attributes:
        id: TFX's pipeline run id.
        nodes: in the order they ran; none if it failed before the first one was recorded.
        artifacts: the outputs, by node id and output key.
        result: as JSON (outcome.py); None if it was killed before it could record one.
        created: when the run itself was recorded.
    """

    id: str
    nodes: list[Node] = field(default_factory=list)
    artifacts: dict[tuple[str, str], mlmd.Artifact] = field(default_factory=dict)
    result: str | None = None
    created: datetime | None = None

    def _folder(self, node: str, key: str) -> AnyPath | None:
        artifact = self.artifacts.get((node, key))
        live = artifact is not None and artifact.state == mlmd.Artifact.LIVE
        return to_path(artifact.uri) if live else None

    def _properties(self, node: str, key: str) -> dict[str, Any]:
        artifact = self.artifacts.get((node, key))
        published = artifact is not None and artifact.state in PUBLISHED
        return properties(artifact) if published else {}

    def _property(self, node: str, key: str, name: str) -> Any:
        return self._properties(node, key).get(name)

    def _flag(self, node: str, key: str, name: str) -> bool | None:
        value = self._property(node, key, name)
        return None if value is None else value == 1

    @property
    def started(self) -> datetime:
        """When the first node was recorded, or without one, the run."""
        return self.nodes[0].started if self.nodes else self.created

    def images(self, count: str) -> int | None:
        """A count of ImageExampleGen: files, accepted, rejected or duplicates."""
        return self._property(example_names.NODE, example_names.EXAMPLES, count)

    @property
    def spans(self) -> tuple[int, ...]:
        """The spans that were read, ascending; 0 is a folder without spans."""
        return spans_of(self._properties(example_names.NODE, example_names.EXAMPLES))

    @property
    def source_spans(self) -> tuple[int, ...]:
        """The spans of sources without pairs that were read, as `spans`; empty without those."""
        text = self._property(
            example_names.NODE, example_names.EXAMPLES, example_names.SOURCE_SPANS
        )
        return tuple(json.loads(text or "[]"))

    @property
    def image_remarks(self) -> list[str]:
        """Lines of ImageExampleGen about skipped files and unusual images."""
        text = self._property(example_names.NODE, example_names.EXAMPLES, example_names.REMARKS)
        return json.loads(text or "[]")

    @property
    def rejected_report(self) -> AnyPath | None:
        """The report of rejected files."""
        folder = self._folder(example_names.NODE, example_names.EXAMPLES)
        return folder / example_names.REJECTED_JSON if folder else None

    @property
    def drifted(self) -> bool | None:
        """Whether the images differ from earlier ones; None where DriftGate did not run."""
        return self._flag(drift_names.NODE, drift_names.VERDICT, drift_names.DRIFTED)

    @property
    def drift_summary(self) -> str | None:
        """The verdict of DriftGate, in one line."""
        return self._property(drift_names.NODE, drift_names.VERDICT, drift_names.SUMMARY)

    @property
    def evaluation(self) -> AnyPath | None:
        """Folder of the evaluation: metrics.json, report.html, samples."""
        return self._folder(evaluator_names.NODE, evaluator_names.EVALUATION)

    @property
    def metrics(self) -> dict[str, Any] | None:
        """The content of metrics.json."""
        path = self.evaluation and self.evaluation / evaluator_names.METRICS_JSON
        return json.loads(path.read_text("utf-8")) if path and path.exists() else None

    @property
    def scores(self) -> dict[str, float]:
        """The metrics of the samples, also when metrics.json was removed."""
        return metrics_of(self.artifacts.get((evaluator_names.NODE, evaluator_names.EVALUATION)))

    @property
    def blessed(self) -> bool | None:
        """Whether the model was blessed; None where it was not judged."""
        return self._flag(evaluator_names.NODE, evaluator_names.BLESSING, evaluator_names.BLESSED)

    @property
    def reason(self) -> str | None:
        """The reason of that verdict."""
        return self._property(
            evaluator_names.NODE, evaluator_names.BLESSING, evaluator_names.REASON
        )

    @property
    def model_number(self) -> int | None:
        """The number of the model that was trained or came from the cache."""
        artifact = self.artifacts.get((trainer_names.NODE, trainer_names.MODEL))
        published = artifact is not None and artifact.state in PUBLISHED
        return artifact.id if published else None

    @property
    def model(self) -> AnyPath | None:
        """The sampler SavedModel that the Trainer exported."""
        folder = self._folder(trainer_names.NODE, trainer_names.MODEL)
        return folder / trainer_names.SERVING if folder else None

    @property
    def withdrawn(self) -> str | None:
        """Why the model was withdrawn; None where it was not."""
        return self._property(trainer_names.NODE, trainer_names.MODEL, WITHDRAWN_PROPERTY)

    @property
    def student(self) -> "Run | None":
        """This run with its student in place of the model; None where there is none.

        A run of `iadb distill` has the student for its model, and no other.
        """
        if (trainer_names.STUDENT, trainer_names.MODEL) not in self.artifacts:
            return None
        others = {k: v for k, v in self.artifacts.items() if k[0] not in TEACHER_NODES.values()}
        renamed = {(TEACHER_NODES.get(node, node), key): v for (node, key), v in others.items()}
        return replace(self, artifacts=renamed)

    @property
    def served(self) -> "Run":
        """This run with the model that it makes live if it is pushable: a student takes over."""
        student = self.student
        return student if student and student.pushable and not self.withdrawn else self

    @property
    def pushable(self) -> bool:
        """Whether the model may be served: blessed, and not withdrawn since."""
        return bool(self.blessed) and self.withdrawn is None

    @property
    def is_distillation(self) -> bool:
        """Whether `iadb distill` made the run."""
        return any(node.id == CHOSEN for node in self.nodes)

    @property
    def is_decided(self) -> bool:
        """Whether a Pusher has pushed the model or passed it over; a student may follow."""
        ended = {node.id for node in self.nodes if node.state in ("done", "cached")}
        return bool(ended & {pusher_names.NODE, pusher_names.STUDENT_NODE})

    @property
    def pushed(self) -> AnyPath | None:
        """Where the model was pushed; None where it was not."""
        if self._property(pusher_names.NODE, pusher_names.PUSHED_MODEL, pusher_names.PUSHED) != 1:
            return None
        return to_path(
            self._property(pusher_names.NODE, pusher_names.PUSHED_MODEL, pusher_names.DESTINATION)
        )


def properties(record: mlmd.Artifact | mlmd.Execution | mlmd.Context | None) -> dict[str, Any]:
    """The properties of a record by name, custom ones and those of its type; empty for None."""
    if record is None:
        return {}
    # A map of protocol buffers changes its order from one read to the next.
    found = sorted({**record.properties, **record.custom_properties}.items())
    return {name: getattr(value, value.WhichOneof("value")) for name, value in found}


def spans_of(examples: Mapping[str, Any]) -> tuple[int, ...]:
    """The spans of a dataset by its properties; earlier versions recorded only the newest."""
    if example_names.SPANS in examples:
        return tuple(json.loads(examples[example_names.SPANS]))
    return (examples[example_names.SPAN],) if example_names.SPAN in examples else ()


def metrics_of(evaluation: mlmd.Artifact | None) -> dict[str, float]:
    """The metrics that an evaluation recorded, by name; empty for None."""
    return {k: v for k, v in properties(evaluation).items() if type(v) is float}


def recorded_at(artifact: mlmd.Artifact) -> datetime:
    """When an artifact was recorded, in the local time zone."""
    return datetime.fromtimestamp(artifact.create_time_since_epoch / 1000).astimezone()


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


def connect(database: "Path | Database") -> MetadataStore:
    """Opens a metadata database; one that does not exist is not made and reads as empty."""
    if not isinstance(database, Path):
        return database.connect()
    logging.getLogger("absl").addFilter(_is_not_raised)
    config = mlmd.ConnectionConfig()
    if database.exists():
        config.sqlite.filename_uri = str(database)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
    else:
        config.fake_database.SetInParent()  # in memory
    return MetadataStore(config)


def follow_move(store: MetadataStore, artifacts: AnyPath) -> bool:
    """Records where artifacts are, if the workspace was moved or copied or has another path here.

    Otherwise models would be compared with no earlier ones, since these would not be found; those
    of a copy would be read in the original.

    Args:
        store: of a workspace that this process holds.
        artifacts: folder of the artifacts in it.

    Returns:
        Whether artifacts were elsewhere.
    """
    if not isinstance(artifacts, Path):
        return False
    moved = []
    for artifact in store.get_artifacts():
        recorded, place = Path(artifact.uri), place_of(artifact, artifacts)
        if recorded != place and place.exists() and not _is_same(recorded, place):
            artifact.uri = str(place)
            moved.append(artifact)
    if moved:
        store.put_artifacts(moved)
    return bool(moved)


def _is_same(recorded: Path, place: Path) -> bool:
    """Whether two paths lead to one folder, as through a link."""
    try:
        return recorded.samefile(place)
    except OSError:  # it is gone, or one that this user may not look into
        return False


def place_of(artifact: mlmd.Artifact, artifacts: AnyPath) -> AnyPath:
    """The folder of an artifact in the folder of a workspace, even if that was moved since."""
    *_, below = artifact.uri.rpartition(f"/{artifacts.name}/")
    return artifacts.joinpath(*below.split("/")[:3])  # node, output key, execution


def _is_not_raised(record: logging.LogRecord) -> bool:
    """False for an error that ML Metadata also raises: it logs it with its statement in SQL."""
    return not str(record.msg).startswith("mlmd client %s: ")


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
