import sqlite3

import pytest

from components.drift_gate.component import DriftError
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY
from pipeline.failures import RESUMES
from pipeline.registry import lineage
from pipeline.registry.names import Outcome
from pipeline.registry.outcome import parse_result, read_result, recording
from pipeline.workspace import Workspace
from tests.recorded import Recorded
from trainer.common import exit_codes


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.locked():
        yield workspace


@pytest.fixture
def recorded(workspace):
    return Recorded(workspace.metadata, workspace.artifacts)


@pytest.fixture
def record(workspace):
    """Calls a function as a run with the given ids, and reads the result."""

    def call(function, *run_ids):
        file, log = workspace.results / "run.json", workspace.logs / "run.log"
        with recording(workspace, file, log, run_ids):
            function()
        return read_result(file)

    return call


def test_a_blessed_run_has_its_verdict_model_and_version(workspace, recorded, record):
    model = recorded.run(drifted=True)
    version = recorded.push(model, workspace.serving)
    result = record(lambda: None, "run-00001")
    assert (result.outcome, result.exit_code) == (Outcome.BLESSED, 0)
    assert result.message == "kid 0.01 is at most 0.02"
    assert (result.runs, result.images) == (("run-00001",), 1797)
    assert (result.model, result.version) == (model, version)
    assert (result.blessed, result.withdrawn, result.drifted) == (True, None, True)
    assert result.log == workspace.logs / "run.log"
    assert result.started.tzinfo and result.started <= result.ended


def test_a_run_with_a_rejected_model_is_not_blessed(recorded, record):
    recorded.run(blessed=False, reason="kid 0.3 exceeds 0.02")
    result = record(lambda: None, "run-00001")
    assert (result.outcome, result.exit_code) == (Outcome.NOT_BLESSED, exit_codes.NOT_BLESSED)
    assert (result.message, result.blessed) == ("kid 0.3 exceeds 0.02", False)
    assert result.version is None


def test_a_run_whose_model_was_withdrawn_is_not_blessed(recorded, record):
    model = recorded.run()
    [artifact] = recorded.store.get_artifacts_by_id([model])
    artifact.custom_properties[WITHDRAWN_PROPERTY].string_value = "draws fives only"
    recorded.store.put_artifacts([artifact])
    result = record(lambda: None, "run-00001")
    assert (result.outcome, result.exit_code) == (Outcome.NOT_BLESSED, exit_codes.NOT_BLESSED)
    assert result.message == "withdrawn: draws fives only"
    assert (result.blessed, result.withdrawn) == (True, "draws fives only")


@pytest.mark.parametrize(
    ("blessed", "stated"), [(True, "blessed"), (False, "not blessed: kid 0.02 exceeds 0.01")]
)
def test_a_result_states_the_verdict_on_the_student_beside_that_on_its_teacher(
    recorded, record, blessed, stated
):
    teacher = recorded.run()
    student = recorded.student(teacher, blessed=blessed)
    result = record(lambda: None, "run-00001")
    assert (result.outcome, result.exit_code) == (Outcome.BLESSED, 0)
    assert result.message == f"kid 0.01 is at most 0.02; student {stated}"
    assert (result.model, result.blessed) == (teacher, True)
    assert (result.student, result.student_blessed) == (student, blessed)


def test_a_result_of_a_distillation_alone_is_that_of_the_student(recorded, record):
    student = recorded.student(recorded.run(), blessed=False, alone=True)
    result = record(lambda: None, "run-00002")
    assert (result.outcome, result.message) == (Outcome.NOT_BLESSED, "kid 0.02 exceeds 0.01")
    assert (result.model, result.blessed, result.student) == (student, False, None)


@pytest.mark.parametrize(
    ("error", "outcome", "code", "message"),
    [
        (DriftError("other images"), Outcome.HELD, exit_codes.HELD, "other images"),
        (ValueError("no good"), Outcome.FAILED, 1, "ValueError: no good"),
        (KeyboardInterrupt(), Outcome.INTERRUPTED, 130, f"interrupted; {RESUMES}"),
        (KeyboardInterrupt("bye"), Outcome.INTERRUPTED, 130, "interrupted; bye"),
        (SystemExit(143), Outcome.INTERRUPTED, 143, f"terminated; {RESUMES}"),
    ],
)
def test_a_run_that_fails_leaves_a_result_and_its_error(
    workspace, recorded, record, error, outcome, code, message
):
    recorded.run(blessed=None)

    def fail():
        raise error

    with pytest.raises(type(error)):
        record(fail, "run-00001")
    result = read_result(workspace.results / "run.json")
    assert (result.outcome, result.exit_code, result.message) == (outcome, code, message)
    assert (result.runs, result.images, result.blessed) == (("run-00001",), 1797, None)


def test_a_run_that_fails_before_its_first_node_has_nothing_of_an_earlier_one(recorded, record):
    recorded.run()
    result = record(lambda: None)
    assert (result.runs, result.model, result.blessed) == ((), None, None)


def test_a_result_that_cannot_be_written_changes_nothing(workspace, recorded):
    recorded.run()
    file = workspace.folder / "no" / "folder" / "run.json"
    with pytest.raises(DriftError), recording(workspace, file, workspace.logs / "run.log", ()):
        raise DriftError
    assert read_result(file) is None


def test_a_result_whose_file_cannot_be_written_is_still_in_ml_metadata(workspace, recorded):
    recorded.run(blessed=None)
    file = workspace.folder / "no" / "folder" / "run.json"
    with (
        pytest.raises(DriftError),
        recording(workspace, file, workspace.logs / "run.log", ["run-00001"]),
    ):
        raise DriftError("other images")
    [run] = lineage.runs(recorded.store)
    assert parse_result(run.result).outcome == Outcome.HELD


def test_a_result_that_ml_metadata_does_not_take_is_still_in_its_file(workspace, recorded):
    recorded.run(blessed=None)
    file = workspace.results / "run.json"
    with recording(workspace, file, workspace.logs / "run.log", run_ids := ["run-00001"]):
        with sqlite3.connect(workspace.metadata) as database:
            database.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON ContextProperty "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        database.close()
    assert read_result(file).runs == tuple(run_ids)
    [run] = lineage.runs(recorded.store)
    assert run.result is None


def test_a_result_that_is_damaged_is_none(workspace):
    (workspace.results / "run.json").write_text('{"outcome": "bles')
    assert read_result(workspace.results / "run.json") is None
