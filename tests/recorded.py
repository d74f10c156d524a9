"""A store of ML Metadata with runs in it, written as TFX would write them, without TFX."""

import json

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components import names as tfx_names
from components.atomic_pusher import names as pusher_names
from components.atomic_pusher.versions import MODEL_NOTE, publish
from components.drift_gate import names as drift_names
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline.registry.names import CHOSEN
from trainer.common.remote_path import to_path
from trainer.names import METADATA, WARM_UP

PIPELINE = "digits"
BASE_MODEL, BASELINE = "BaseModel", "Baseline"  # components.resolvers imports TensorFlow
OUTPUTS = {  # of each node, by key: the type of the artifact
    example_names.NODE: {example_names.EXAMPLES: "Examples"},
    "SchemaImporter": {"schema": "Schema"},
    tfx_names.STATISTICS_GEN: {tfx_names.STATISTICS: "ExampleStatistics"},
    tfx_names.TRANSFORM: {tfx_names.TRANSFORM_GRAPH: "TransformGraph"},
    "ExampleValidator": {tfx_names.ANOMALIES: "ExampleAnomalies"},
    "DataGate": {"verdict": "components.DataVerdict"},
    drift_names.REFERENCE_NODE: {},
    drift_names.NODE: {drift_names.VERDICT: "components.DriftVerdict"},
    feature_names.NODE: {feature_names.FEATURES: "components.ImageFeatures"},
    BASE_MODEL: {},
    trainer_names.NODE: {
        trainer_names.MODEL: trainer_names.MODEL_TYPE,
        trainer_names.MODEL_RUN: "ModelRun",
    },
    BASELINE: {},
    evaluator_names.NODE: {
        evaluator_names.EVALUATION: evaluator_names.EVALUATION_TYPE,
        evaluator_names.BLESSING: evaluator_names.BLESSING_TYPE,
    },
    pusher_names.NODE: {pusher_names.PUSHED_MODEL: "PushedModel"},
}
STUDENT_NODES = {  # with the nodes that have the same outputs
    trainer_names.STUDENT: trainer_names.NODE,
    evaluator_names.STUDENT_NODE: evaluator_names.NODE,
}
OPTIONS = json.dumps(
    {
        "limits": "none",
        "thresholds": {
            "kid": {"maximum": 0.02},
            "coverage": {"max_worsening": 0.0},
            "recall": None,
        },
    }
)


class Recorded:
    """Runs in a store of ML Metadata.

    Attributes:
        store: the store.
        artifacts: folder that the artifacts claim to lie in.
    """

    def __init__(self, database, artifacts):
        """`database` is the path of a SQLite file, which is created, or a store."""
        self.store = database if isinstance(database, MetadataStore) else _sqlite_store(database)
        self.artifacts = artifacts
        put = self.store.put_artifact_type
        kinds = {kind for outputs in OUTPUTS.values() for kind in outputs.values()}
        self._artifact_types = {kind: put(mlmd.ArtifactType(name=kind)) for kind in kinds}
        put = self.store.put_execution_type
        self._execution_types = {node: put(mlmd.ExecutionType(name=node)) for node in OUTPUTS}
        put = self.store.put_context_type
        self._context_types = {
            kind: put(mlmd.ContextType(name=kind)) for kind in ("pipeline", "pipeline_run", "node")
        }
        self.begin(PIPELINE)
        self._nb_run = 0

    def begin(self, pipeline):
        """Makes all later runs those of another, new pipeline."""
        self._contexts = {
            "pipeline": self._context("pipeline", pipeline),
            **{node: self._context("node", f"{pipeline}.{node}") for node in OUTPUTS},
        }

    def run(
        self,
        *,
        blessed=True,
        reason="kid 0.01 is at most 0.02",
        kid=0.01,
        span=0,
        base=None,
        of=None,
        drifted=False,
        pushed=True,
    ):
        """Records a whole run, in which nothing but a training came from the cache.

        Args:
            blessed: by the gate; None where the model was not evaluated.
            reason: of the verdict.
            kid: of the samples.
            span: of the examples.
            base: id of the Model that a warm start was from.
            of: id of an earlier Model, for a run whose training came from the cache.
            drifted: whether the examples did.
            pushed: whether a run that evaluated its model got as far as the Pusher.

        Returns:
            The id of the Model.
        """
        self._nb_run += 1
        run = self._context("pipeline_run", f"run-{self._nb_run:05}")
        counts = {
            example_names.ACCEPTED: 1797,
            example_names.SPAN: span,
            example_names.SPANS: json.dumps([span]),
        }
        inputs = self._node(run, example_names.NODE, {}, {example_names.EXAMPLES: counts})
        for node in list(OUTPUTS)[1:9]:
            about = {drift_names.DRIFTED: int(drifted)} if node == drift_names.NODE else {}
            self._node(run, node, inputs, dict.fromkeys(OUTPUTS[node], about))
        self._node(run, BASE_MODEL, inputs, {})
        inputs |= {trainer_names.BASE_MODEL: base} if base else {}
        if of is None:
            outputs = {key: {} for key in OUTPUTS[trainer_names.NODE]}
            if base:
                outputs[trainer_names.MODEL] = {trainer_names.STARTED_FROM: base}
            model = self._node(run, trainer_names.NODE, inputs, outputs)[trainer_names.MODEL]
        else:
            self._node(run, trainer_names.NODE, inputs, {}, {trainer_names.MODEL: of})
            model = of
        self._node(run, BASELINE, {"candidate": model}, {})
        if blessed is not None:
            about = {evaluator_names.MODEL_ID: model}
            verdict = {evaluator_names.BLESSED: int(blessed), evaluator_names.REASON: reason}
            made = {
                evaluator_names.EVALUATION: {**about, "kid": kid, "coverage": 0.9, "recall": 0.8},
                evaluator_names.BLESSING: {**about, **verdict},
            }
            made = self._node(run, evaluator_names.NODE, {evaluator_names.MODEL: model}, made)
        if blessed is not None and pushed:
            inputs = {
                trainer_names.MODEL: model,
                "model_blessing": made[evaluator_names.BLESSING],
            }
            about = {pusher_names.PUSHED: int(blessed)}
            if blessed:
                about[pusher_names.DESTINATION] = "serving/1"
            self._node(run, pusher_names.NODE, inputs, {pusher_names.PUSHED_MODEL: about})
        return model

    def student(self, teacher, *, blessed=True, reason="kid 0.02 exceeds 0.01", alone=False):
        """Records a student that was judged: in the newest run, or alone, as by `iadb distill`.

        Returns:
            The id of its Model.
        """
        for node in (CHOSEN, *STUDENT_NODES):
            if node not in self._contexts:
                kind = mlmd.ExecutionType(name=node)
                self._execution_types[node] = self.store.put_execution_type(kind)
                self._contexts[node] = self._context("node", f"{PIPELINE}.{node}")
        self._nb_run += alone
        name = f"run-{self._nb_run:05}"
        if alone:
            run = self._context("pipeline_run", name)
        else:
            run = self.store.get_context_by_type_and_name("pipeline_run", name)
        inputs = {trainer_names.BASE_MODEL: teacher}
        if alone:
            self._node(run, CHOSEN, {}, {})
        about = {trainer_names.TEACHER: teacher, trainer_names.STARTED_FROM: teacher}
        outputs = {trainer_names.MODEL: about}
        made = self._node(run, trainer_names.STUDENT, inputs, outputs)
        about = {evaluator_names.MODEL_ID: made[trainer_names.MODEL]}
        verdict = {evaluator_names.BLESSED: int(blessed), evaluator_names.REASON: reason}
        outputs = {
            evaluator_names.EVALUATION: about,
            evaluator_names.BLESSING: {**about, **verdict},
        }
        self._node(run, evaluator_names.STUDENT_NODE, made, outputs)
        return made[trainer_names.MODEL]

    def push(self, model, serving):
        """Publishes a version of a Model, as the Pusher does; returns its number."""
        (artifact,) = self.store.get_artifacts_by_id([model])
        folder = write_model(to_path(artifact.uri) / trainer_names.SERVING)
        return int(publish(folder, serving, {MODEL_NOTE: model}).name)

    def _context(self, kind, name):
        context = mlmd.Context(type_id=self._context_types[kind], name=name)
        (context.id,) = self.store.put_contexts([context])
        return context

    def _node(self, run, node, inputs, outputs, cached=None):
        """Records an execution; returns the ids of its outputs by key."""
        state = mlmd.Execution.CACHED if cached else mlmd.Execution.COMPLETE
        execution = mlmd.Execution(type_id=self._execution_types[node], last_known_state=state)
        execution.custom_properties[evaluator_names.OPTIONS].string_value = OPTIONS
        pairs = []
        for kind, ids in ((mlmd.Event.INPUT, inputs), (mlmd.Event.OUTPUT, cached or {})):
            for artifact in self.store.get_artifacts_by_id(list(set(ids.values()))):
                keys = [key for key, number in ids.items() if number == artifact.id]
                pairs += [(artifact, _event(kind, key)) for key in keys]
        for key, properties in outputs.items():
            uri = f"{self.artifacts}/{node}/{key}/{run.name}"
            kind = OUTPUTS[STUDENT_NODES.get(node, node)][key]
            artifact = mlmd.Artifact(
                type_id=self._artifact_types[kind], uri=uri, state=mlmd.Artifact.LIVE
            )
            for name, value in properties.items():
                set_property(artifact.custom_properties[name], value)
            pairs.append((artifact, _event(mlmd.Event.OUTPUT, key)))
        contexts = [self._contexts["pipeline"], run, self._contexts[node]]
        _, ids, _ = self.store.put_execution(execution, pairs, contexts)
        return dict(zip(outputs, ids[len(ids) - len(outputs) :], strict=True))


def _sqlite_store(database):
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return MetadataStore(config)


def write_model(folder):
    """Writes what looks like a sampler SavedModel and cannot be loaded."""
    for name, content in (
        ("saved_model.pb", str(folder)),
        ("fingerprint.pb", str(folder)),
        ("variables/variables.index", "weights"),
        ("variables/variables.data-00000-of-00001", "weights"),
        (METADATA, '{"nb_step": 4}'),
        (WARM_UP, "requests"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def set_property(value, content):
    name = {int: "int_value", float: "double_value", str: "string_value"}[type(content)]
    setattr(value, name, content)


def _event(kind, key):
    event = mlmd.Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event
