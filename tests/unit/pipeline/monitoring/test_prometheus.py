import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.monitoring import prometheus
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Journal
from pipeline.registry.names import Outcome
from pipeline.workspace import Workspace
from tests.recorded import Recorded

NIGHT = datetime(2026, 11, 25, 3, tzinfo=timezone.utc)


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.folder.mkdir()
    return workspace


def parsed(text):
    """The samples by name and labels but the workspace."""
    return {
        (sample.name, *(v for k, v in sample.labels.items() if k != "workspace")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def attempts(workspace, *outcomes):
    """A night each: begun at three, ended an hour later."""
    journal = Journal(workspace.journal)
    for i, outcome in enumerate(outcomes):
        begun = NIGHT + timedelta(days=i)
        number = journal.begin("schedule", {}, begun)
        if outcome:
            journal.end(number, outcome, "", begun + timedelta(hours=1), exit_code=0)
    return journal


def test_checks_are_counted_by_outcome_and_the_last_success_has_a_time(workspace):
    attempts(workspace, Outcome.BLESSED, Outcome.NOTHING_NEW, Outcome.FAILED, Outcome.FAILED)
    found = parsed(prometheus.text(workspace))
    counted = {key[1]: n for key, n in found.items() if key[0] == "iadb_attempts_total"}
    assert counted == {
        **dict.fromkeys(map(str, Outcome), 0),
        "blessed": 1,
        "nothing new": 1,
        "failed": 2,
    }
    second_night = NIGHT + timedelta(days=1, hours=1)
    assert found["iadb_last_success_timestamp_seconds",] == second_night.timestamp()
    last_night = NIGHT + timedelta(days=3)
    assert found["iadb_last_attempt_timestamp_seconds",] == last_night.timestamp()


def test_a_check_that_runs_or_was_killed_counts_only_as_begun(workspace):
    attempts(workspace, None)
    found = parsed(prometheus.text(workspace))
    assert found["iadb_last_attempt_timestamp_seconds",] == NIGHT.timestamp()
    assert not any(found[key] for key in found if key[0] == "iadb_attempts_total")
    assert ("iadb_last_success_timestamp_seconds",) not in found


def test_spans_that_wait_for_a_person_are_counted(workspace):
    journal = attempts(workspace, Outcome.HELD)
    for span in (3, 4, 5):
        journal.hold(span, "rotated", NIGHT)
    journal.release(4, NIGHT)
    assert parsed(prometheus.text(workspace))["iadb_held_spans",] == 2


def test_models_yield_verdicts_and_the_metrics_of_the_live_and_the_newest_one(workspace):
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    live = recorded.run(kid=0.01)
    recorded.push(live, workspace.serving)
    recorded.run(kid=0.5, blessed=False)
    recorded.run(blessed=None)
    recorded.run(kid=0.4, blessed=False)
    found = parsed(prometheus.text(workspace))
    assert found["iadb_verdicts_total", "blessed"] == 1
    assert found["iadb_verdicts_total", "not blessed"] == 2
    assert found["iadb_metric", "live", "kid"] == 0.01
    assert found["iadb_metric", "newest", "kid"] == 0.4
    assert found["iadb_images_seen", "live"] == 1797
    (artifact,) = recorded.store.get_artifacts_by_id([live])
    trained = artifact.create_time_since_epoch / 1000
    assert found["iadb_live_model_trained_timestamp_seconds",] == trained


def test_each_sample_names_its_workspace(workspace):
    attempts(workspace, Outcome.BLESSED)
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    recorded.push(recorded.run(kid=0.01), workspace.serving)
    labels = [
        sample.labels
        for family in text_string_to_metric_families(prometheus.text(workspace).decode())
        for sample in family.samples
    ]
    assert len(labels) > 10
    assert {each.get("workspace") for each in labels} == {str(workspace.folder)}


def test_a_workspace_without_runs_has_no_metrics_and_is_not_written_to(workspace):
    assert prometheus.text(workspace) == b""
    assert list(workspace.folder.iterdir()) == []


def test_the_textfile_is_written_whole_where_it_is_asked_for(workspace, tmp_path):
    attempts(workspace, Outcome.BLESSED)
    elsewhere = tmp_path / "textfiles" / "iadb.prom"
    elsewhere.parent.mkdir()
    prometheus.write(workspace, NotifyOptions())
    prometheus.write(workspace, NotifyOptions(textfile=str(elsewhere)))
    expected = prometheus.text(workspace)
    assert (workspace.folder / "metrics.prom").read_bytes() == expected
    assert {path.name: path.read_bytes() for path in elsewhere.parent.iterdir()} == {
        "iadb.prom": expected
    }


def test_a_textfile_that_cannot_be_written_is_one_line(workspace, tmp_path, caplog):
    attempts(workspace, Outcome.BLESSED)
    path = tmp_path / "nowhere" / "iadb.prom"
    prometheus.write(workspace, NotifyOptions(textfile=str(path)))
    [record] = caplog.records
    assert record.getMessage() == f"metrics: {path}: No such file or directory"


def test_neither_tensorflow_nor_tfx_is_imported():
    modules = "pipeline.monitoring.prometheus, pipeline.monitoring.webhook, requests"
    command = f"import sys, {modules}; print({{'tensorflow', 'tfx'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert found.stdout == "set()\n"
