import json
import shutil

import pytest
from click.testing import CliRunner

from components.atomic_pusher.versions import METADATA, publish
from components.image_trainer.names import TEACHER
from pipeline.cli import main
from pipeline.registry import lineage
from pipeline.registry.models import load_models
from pipeline.workspace import Workspace
from tests.recorded import OUTPUTS, Recorded, set_property, write_model


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def recorded(workspace):
    workspace.folder.mkdir()
    return Recorded(workspace.metadata, workspace.artifacts)


def models(workspace):
    return load_models(lineage.connect(workspace.metadata), workspace.serving)


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_a_model_has_its_verdict_metrics_data_and_parent(recorded, workspace):
    parent = recorded.run(span=3)
    child = recorded.run(span=4, base=parent, blessed=False, reason="kid 0.5 is over 0.02", kid=0.5)
    first, second = models(workspace)
    assert (first.number, first.parent, first.blessed, first.span) == (parent, None, True, 3)
    assert (second.number, second.parent, second.blessed, second.span) == (child, parent, False, 4)
    assert second.reason == "kid 0.5 is over 0.02"
    assert second.images == 1797
    assert second.metrics == {"kid": 0.5, "coverage": 0.9, "recall": 0.8}
    assert second.limited == ("kid", "coverage")


def test_the_data_of_a_student_are_those_of_its_own_training(recorded, workspace):
    teacher, student = recorded.run(span=3), recorded.run(span=4)
    artifacts = recorded.store.get_artifacts_by_id([student])
    set_property(artifacts[0].custom_properties[TEACHER], teacher)
    recorded.store.put_artifacts(artifacts)
    first, second = models(workspace)
    assert (second.number, second.teacher) == (student, teacher)
    assert (second.images, second.span) == (1797, 4)
    assert second.examples != first.examples


def test_metrics_are_sorted_by_name_at_every_read(recorded, workspace):
    recorded.run()
    orders = {tuple(models(workspace)[0].metrics) for _ in range(20)}
    assert orders == {("coverage", "kid", "recall")}


def test_a_model_that_was_not_judged_has_neither_verdict_nor_metrics(recorded, workspace):
    recorded.run(blessed=None)
    [model] = models(workspace)
    assert (model.blessed, model.reason, model.metrics, model.limited) == (None, None, {}, ())


def test_a_training_from_the_cache_is_no_second_model_and_keeps_its_first_data(recorded, workspace):
    number = recorded.run(span=1)
    recorded.run(span=2, of=number, kid=0.3)
    [model] = models(workspace)
    assert (model.span, model.metrics["kid"]) == (1, 0.3)


def test_the_model_of_the_highest_version_is_live(recorded, workspace):
    one, two = recorded.run(), recorded.run()
    pushed = [recorded.push(number, workspace.serving) for number in (one, two, one)]
    first, second = models(workspace)
    assert (first.versions, first.live) == ((pushed[0], pushed[2]), True)
    assert (second.versions, second.live) == ((pushed[1],), False)


def test_a_version_from_elsewhere_belongs_to_no_model(recorded, workspace, tmp_path):
    recorded.push(recorded.run(), workspace.serving)
    foreign = publish(write_model(tmp_path / "foreign"), workspace.serving, {})
    (foreign / "assets.extra" / "iadb.json").unlink()
    [model] = models(workspace)
    assert not model.live
    result = iadb("models", "--workspace", workspace.folder)
    said = f"live: {foreign}, which is not known to be one of these models"
    assert said in result.output
    workspace.metadata.write_bytes(b"")
    shutil.rmtree(workspace.artifacts)
    result = iadb("models", "--workspace", workspace.folder)
    assert result.output == f"no models in {workspace.folder}\n{said}\n"


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", '{"model": [1]}'])
def test_a_version_whose_notes_are_of_another_form_belongs_to_no_model(
    recorded, workspace, content
):
    number = recorded.push(recorded.run(), workspace.serving)
    (workspace.serving / str(number) / METADATA).write_text(content)
    [model] = models(workspace)
    assert (model.versions, model.live) == ((), False)


def test_an_empty_store_has_no_models(recorded, workspace):
    assert models(workspace) == []
    where = "--workspace", workspace.folder
    assert iadb("models", *where).output == f"no models in {workspace.folder}\n"
    assert iadb("models", *where, "--json").output == "[]\n"


def test_the_live_model_is_listed_however_old_it_is(recorded, workspace):
    numbers = [recorded.run() for _ in range(4)]
    recorded.push(numbers[0], workspace.serving)
    output = iadb("models", "--workspace", workspace.folder, "--last", 2, "--json").output
    assert [model["number"] for model in json.loads(output)] == [numbers[0], *numbers[2:]]


def test_a_reason_never_becomes_markup(recorded, workspace):
    recorded.run(blessed=False, reason="[link=http://evil]label[/link] [bold")
    result = iadb("models", "--workspace", workspace.folder)
    assert "[link=http://evil]label[/link] [bold" in result.output


def test_json_has_every_field_of_a_model(recorded, workspace):
    number = recorded.run(span=7)
    version = recorded.push(number, workspace.serving)
    [model] = json.loads(iadb("models", "--workspace", workspace.folder, "--json").output)
    assert model["metrics"]["recall"] == 0.8
    found = {key: model[key] for key in ("number", "span", "versions", "live", "withdrawn")}
    assert found == {
        "number": number,
        "span": 7,
        "versions": [version],
        "live": True,
        "withdrawn": None,
    }


class Counting:
    """A store that counts the calls to it."""

    def __init__(self, store):
        self._store, self.calls = store, 0

    def __getattr__(self, name):
        self.calls += 1
        return getattr(self._store, name)


@pytest.mark.parametrize("question", [lambda s: load_models(s, s.nowhere), lineage.runs])
def test_the_number_of_calls_for_a_run_does_not_grow_with_its_nodes(
    recorded, workspace, tmp_path, question
):
    calls = []
    for _ in range(2):
        recorded.run()
        recorded.run()
        store = Counting(lineage.connect(workspace.metadata))
        store.nowhere = tmp_path / "nowhere"
        assert len(question(store)) == 2 * (len(calls) + 1)
        calls.append(store.calls)
    assert calls[1] - calls[0] <= 2  # at most one for each of two more runs


def test_runs_have_nodes_and_outputs(recorded, workspace):
    model = recorded.run(kid=0.4)
    recorded.run(of=model)
    first, second = lineage.runs(lineage.connect(workspace.metadata))
    assert [node.id for node in first.nodes] == list(OUTPUTS)
    assert {node.id: node.state for node in second.nodes}["Trainer"] == "cached"
    assert second.artifacts["Trainer", "model"].id == model
    assert first.artifacts.keys() == {(node, key) for node in OUTPUTS for key in OUTPUTS[node]}
    assert (first.blessed, first.withdrawn, first.images("accepted")) == (True, None, 1797)
    [last] = lineage.runs(lineage.connect(workspace.metadata), last=1)
    assert last.id == second.id


def test_a_store_that_does_not_exist_reads_as_empty_and_is_not_made(tmp_path):
    database = tmp_path / "metadata.sqlite"
    store = lineage.connect(database)
    assert (lineage.runs(store), load_models(store, tmp_path)) == ([], [])
    assert not database.exists()
