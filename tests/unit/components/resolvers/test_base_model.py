import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types.artifact_utils import deserialize_artifact
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing

from components.resolvers.strategies import LatestBlessedOnOtherExamplesStrategy


class Lineage:
    """A metadata store on disk, with trainings and evaluations in it as TFX records them."""

    def __init__(self, path):
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = MetadataStore(config)
        self.models, self.blessings = [], []
        self._executions = self.store.put_execution_type(mlmd.ExecutionType(name="Node"))

    def examples(self):
        return self._artifact(Examples())

    def train(self, examples, base=None):
        """Records a training; returns its model."""
        model = self._artifact(Model())
        self.models.append(model)
        inputs = {"examples": examples} | ({"base_model": base} if base else {})
        self._execution(inputs, {"model": model}, mlmd.Event.OUTPUT)
        return model

    def train_from_cache(self, examples, model):
        self._execution({"examples": examples}, {"model": model}, mlmd.Event.OUTPUT)

    def evaluate(self, examples, model, *, blessed=True):
        blessing = ModelBlessing()
        blessing.set_int_custom_property("current_model_id", model.id)
        blessing.set_int_custom_property("blessed", int(blessed))
        blessing = self._artifact(blessing)
        self.blessings.append(blessing)
        inputs = {"examples": examples, "model": model}
        self._execution(inputs, {"blessing": blessing}, mlmd.Event.OUTPUT)

    def resolve(self, examples):
        """Runs the strategy and records its result, as TFX's resolver node does."""
        result = LatestBlessedOnOtherExamplesStrategy().resolve_artifacts(
            self.store,
            {"model": self.models, "blessing": self.blessings, "examples": [examples]},
        )
        assert result["examples"] == [examples]
        outputs = {key: artifact for key, artifacts in result.items() for artifact in artifacts}
        self._execution({}, outputs, mlmd.Event.INTERNAL_OUTPUT)
        assert [b.get_int_custom_property("current_model_id") for b in result["blessing"]] == [
            model.id for model in result["model"]
        ]
        return result["model"]

    def _artifact(self, artifact):
        kind = artifact.artifact_type
        kind.id = self.store.put_artifact_type(kind, can_add_fields=True)
        record = mlmd.Artifact()
        record.CopyFrom(artifact.mlmd_artifact)
        record.type_id = kind.id
        (number,) = self.store.put_artifacts([record])
        (record,) = self.store.get_artifacts_by_id([number])
        return deserialize_artifact(kind, record)

    def _execution(self, inputs, outputs, output_event):
        (number,) = self.store.put_executions([mlmd.Execution(type_id=self._executions)])
        events = []
        for kind, artifacts in ((mlmd.Event.INPUT, inputs), (output_event, outputs)):
            for key, artifact in artifacts.items():
                event = mlmd.Event(artifact_id=artifact.id, execution_id=number, type=kind)
                event.path.steps.add().key = key
                event.path.steps.add().index = 0
                events.append(event)
        self.store.put_events(events)


@pytest.fixture
def lineage(tmp_path):
    return Lineage(tmp_path / "metadata.sqlite")


def test_an_empty_store_has_no_base_model(lineage):
    assert lineage.resolve(lineage.examples()) == []


def test_a_model_is_not_the_base_for_its_own_examples(lineage):
    examples = lineage.examples()
    model = lineage.train(examples)
    lineage.evaluate(examples, model)
    assert lineage.resolve(examples) == []
    assert lineage.resolve(lineage.examples()) == [model]


def test_the_latest_blessed_model_on_other_examples_is_the_base(lineage):
    first, second, third = (lineage.examples() for _ in range(3))
    for examples in (first, second):
        model = lineage.train(examples)
        lineage.evaluate(examples, model)
    assert lineage.resolve(third) == [model]


def test_models_that_were_not_blessed_do_not_count(lineage):
    first, second = lineage.examples(), lineage.examples()
    blessed, rejected, unjudged = (lineage.train(first) for _ in range(3))
    lineage.evaluate(first, blessed)
    lineage.evaluate(first, rejected, blessed=False)
    assert lineage.resolve(second) == [blessed]
    assert unjudged in lineage.models


def test_a_training_never_changes_the_base_of_the_next_run_on_the_same_examples(lineage):
    first, second = lineage.examples(), lineage.examples()
    old = lineage.train(first)
    lineage.evaluate(first, old)
    assert lineage.resolve(second) == [old]
    new = lineage.train(second, base=old)
    lineage.evaluate(second, new)
    assert lineage.resolve(second) == [old]
    lineage.train_from_cache(second, new)
    assert lineage.resolve(second) == [old]


def test_what_a_model_was_evaluated_on_is_not_what_it_was_trained_on(lineage):
    first, second = lineage.examples(), lineage.examples()
    model = lineage.train(first)
    lineage.evaluate(second, model)
    assert lineage.resolve(second) == [model]
