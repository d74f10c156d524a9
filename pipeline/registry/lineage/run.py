"""One run of a pipeline, what it made and what was decided."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher import names as pusher_names
from components.drift_gate import names as drift_names
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY
from components.sample_evaluator import names as evaluator_names
from pipeline.registry.lineage.records import metrics_of, properties, spans_of
from pipeline.registry.names import CHOSEN
from trainer.common.remote_path import AnyPath, to_path

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
