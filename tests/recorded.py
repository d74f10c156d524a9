"""A store of ML Metadata with runs in it, written as TFX would write them, without TFX."""

from pathlib import Path

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher.versions import publish

PIPELINE = "digits"
OUTPUTS = {  # of each node, by key: the type of the artifact
    "ImageExampleGen": {"examples": "Examples"},
    "SchemaImporter": {"schema": "Schema"},
    "StatisticsGen": {"statistics": "ExampleStatistics"},
    "Transform": {"transform_graph": "TransformGraph"},
    "ExampleValidator": {"anomalies": "ExampleAnomalies"},
    "DataGate": {"verdict": "components.DataVerdict"},
    "DriftReference": {},
    "DriftGate": {"verdict": "components.DriftVerdict"},
    "RealFeatures": {"features": "components.ImageFeatures"},
    "BaseModel": {},
    "Trainer": {"model": "Model", "model_run": "ModelRun"},
    "Baseline": {},
    "SampleEvaluator": {"evaluation": "ModelEvaluation", "blessing": "ModelBlessing"},
    "Pusher": {"pushed_model": "PushedModel"},
}
OPTIONS = '{"thresholds": {"kid": {"maximum": 0.02}, "coverage": {"max_worsening": 0.0}}}'


class Recorded:
    """Runs in a store of ML Metadata.

    Attributes:
        store: the store.
        artifacts: folder that the artifacts claim to lie in.
    """

    def __init__(self, database, artifacts):
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(database)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store, self.artifacts = MetadataStore(config), artifacts
        put = self.store.put_artifact_type
        kinds = {kind for outputs in OUTPUTS.values() for kind in outputs.values()}
        self._artifact_types = {kind: put(mlmd.ArtifactType(name=kind)) for kind in kinds}
        put = self.store.put_execution_type
        self._execution_types = {node: put(mlmd.ExecutionType(name=node)) for node in OUTPUTS}
        put = self.store.put_context_type
        self._context_types = {
            kind: put(mlmd.ContextType(name=kind)) for kind in ("pipeline", "pipeline_run", "node")
        }
        self._contexts = {
            "pipeline": self._context("pipeline", PIPELINE),
            **{node: self._context("node", f"{PIPELINE}.{node}") for node in OUTPUTS},
        }
        self._nb_run = 0

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

        Returns:
            The id of the Model.
        """
        self._nb_run += 1
        run = self._context("pipeline_run", f"run-{self._nb_run:05}")
        examples = self._node(
            run, "ImageExampleGen", {}, {"examples": {"accepted": 1797, "span": span}}
        )["examples"]
        for node in list(OUTPUTS)[1:9]:
            about = {"drifted": int(drifted)} if node == "DriftGate" else {}
            self._node(run, node, {"examples": examples}, dict.fromkeys(OUTPUTS[node], about))
        self._node(run, "BaseModel", {"examples": examples}, {})
        inputs = {"examples": examples} | ({"base_model": base} if base else {})
        if of is None:
            outputs = self._node(run, "Trainer", inputs, {"model": {}, "model_run": {}})
            model = outputs["model"]
        else:
            self._node(run, "Trainer", inputs, {}, {"model": of})
            model = of
        self._node(run, "Baseline", {"candidate": model}, {})
        if blessed is not None:
            about = {"current_model_id": model}
            verdict = {"blessed": int(blessed), "reason": reason}
            made = {
                "evaluation": {**about, "kid": kid, "coverage": 0.9, "recall": 0.8},
                "blessing": {**about, **verdict},
            }
            made = self._node(run, "SampleEvaluator", {"model": model}, made)
            inputs = {"model": model, "model_blessing": made["blessing"]}
            pushed = {"pushed": 1, "pushed_destination": "serving/1"} if blessed else {"pushed": 0}
            self._node(run, "Pusher", inputs, {"pushed_model": pushed})
        return model

    def push(self, model, serving):
        """Publishes a version of a Model, as the Pusher does; returns its number."""
        (artifact,) = self.store.get_artifacts_by_id([model])
        folder = write_model(Path(artifact.uri) / "Format-Serving")
        return int(publish(folder, serving, {"model": model}).name)

    def _context(self, kind, name):
        context = mlmd.Context(type_id=self._context_types[kind], name=name)
        (context.id,) = self.store.put_contexts([context])
        return context

    def _node(self, run, node, inputs, outputs, cached=None):
        """Records an execution; returns the ids of its outputs by key."""
        state = mlmd.Execution.CACHED if cached else mlmd.Execution.COMPLETE
        execution = mlmd.Execution(type_id=self._execution_types[node], last_known_state=state)
        execution.custom_properties["options"].string_value = OPTIONS
        pairs = []
        for kind, ids in ((mlmd.Event.INPUT, inputs), (mlmd.Event.OUTPUT, cached or {})):
            for artifact in self.store.get_artifacts_by_id(list(set(ids.values()))):
                keys = [key for key, number in ids.items() if number == artifact.id]
                pairs += [(artifact, _event(kind, key)) for key in keys]
        for key, properties in outputs.items():
            uri = f"{self.artifacts}/{node}/{key}/{run.name}"
            artifact = mlmd.Artifact(
                type_id=self._artifact_types[OUTPUTS[node][key]], uri=uri, state=mlmd.Artifact.LIVE
            )
            for name, value in properties.items():
                _set(artifact.custom_properties[name], value)
            pairs.append((artifact, _event(mlmd.Event.OUTPUT, key)))
        contexts = [self._contexts["pipeline"], run, self._contexts[node]]
        _, ids, _ = self.store.put_execution(execution, pairs, contexts)
        return dict(zip(outputs, ids[len(ids) - len(outputs) :], strict=True))


def write_model(folder):
    """Writes what looks like a sampler SavedModel and cannot be loaded."""
    for name, content in (
        ("saved_model.pb", str(folder)),
        ("fingerprint.pb", str(folder)),
        ("variables/variables.index", "weights"),
        ("assets.extra/iadb.json", '{"nb_step": 4}'),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def _set(value, content):
    name = {int: "int_value", float: "double_value", str: "string_value"}[type(content)]
    setattr(value, name, content)


def _event(kind, key):
    event = mlmd.Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event
