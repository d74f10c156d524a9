from pathlib import Path

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

from pipeline.cli import main
from pipeline.pictures.machine import Machine
from pipeline.registry import lineage
from pipeline.registry.journal import Journal
from pipeline.run import (
    _claim,
    _keep_if_decided,
    _keep_pictures,
    _remember,
    _tell_of_kill,
    check_gpus,
)
from pipeline.workspace import Workspace
from tests.recorded import Recorded
from trainer.common import exit_codes
from trainer.options import TrainOptions


def test_images_whose_reading_cannot_be_recorded_stay_new_and_the_run_goes_on(tmp_path, capsys):
    workspace = Workspace(tmp_path)
    Path(workspace.journal).mkdir()  # no database can be opened there, as on a full disk
    _remember(workspace, {0: b"12345678"}, Console())
    assert capsys.readouterr().out.startswith("  these images stay new: ")


def test_a_run_that_cannot_record_which_check_started_it_goes_on(tmp_path, caplog):
    workspace = Workspace(tmp_path)
    Path(workspace.journal).mkdir()
    _claim(workspace, 3, "run-1")
    assert "cannot record that check 3 started this run" in caplog.text


@pytest.mark.parametrize("killed", [True, False])
def test_a_run_says_of_the_last_one_that_it_was_killed(tmp_path, capsys, killed):
    workspace = Workspace(tmp_path)
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    recorded.run(blessed=None)
    if killed:
        *_, trainer, _ = recorded.store.get_executions()
        trainer.last_known_state = mlmd.Execution.RUNNING
        recorded.store.put_executions([trainer])
    _tell_of_kill(workspace, Console())
    assert capsys.readouterr().out == (
        "  the last run ended in Trainer without a result: the power failed, or it was killed by "
        "SIGKILL, probably because the memory ran out: lower train.batch_size, end other "
        "programs, or use a machine with more memory\n"
        if killed
        else ""
    )


def test_a_first_run_has_no_last_one(tmp_path, capsys):
    _tell_of_kill(Workspace(tmp_path), Console())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("setting", "gpus", "reason"),
    [
        (
            "batch_size=9",
            2,
            "train.batch_size=9 is not divisible by the 2 GPUs that share a batch: set it to a "
            "multiple of 2",
        ),
        (
            "accumulate=2",
            4,
            "train.accumulate=2 needs a single GPU, but there are 4: set it to 1",
        ),
    ],
)
def test_gpus_that_cannot_share_a_training_are_refused_before_anything_starts(
    tmp_path, monkeypatch, setting, gpus, reason
):
    monkeypatch.setattr("pipeline.run.this_machine", lambda: Machine(2, gpus))
    (tmp_path / "images").mkdir()
    place = "--data", str(tmp_path / "images"), "--workspace", str(tmp_path / "workspace")
    result = CliRunner().invoke(main, ["run", "--preset=digits", f"--set=train.{setting}", *place])
    assert result.exit_code == exit_codes.USAGE
    assert result.output == f"iadb: {reason}, or hide GPUs with CUDA_VISIBLE_DEVICES\n"
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    ("options", "gpus"),
    [
        ({"batch_size": 9, "accumulate": 2}, 0),
        ({"batch_size": 9, "accumulate": 2}, 1),
        ({"batch_size": 8}, 2),
    ],
)
def test_gpus_that_can_share_a_training_are_accepted(monkeypatch, options, gpus):
    monkeypatch.setattr("pipeline.run.this_machine", lambda: Machine(2, gpus, idle_gpus=2))
    check_gpus(TrainOptions(**options))


@pytest.fixture
def judged(tmp_path):
    """A workspace, and the folder of an evaluation with a report and samples."""
    workspace, evaluation = Workspace(tmp_path / "workspace"), tmp_path / "evaluation" / "7"
    workspace.reports.mkdir(parents=True)
    evaluation.mkdir(parents=True)
    (evaluation / "report.html").write_bytes(b"report")
    (evaluation / "samples.png").write_bytes(b"samples")
    return workspace, evaluation


def test_the_workspace_keeps_the_report_and_the_samples_of_a_run(judged, capsys):
    workspace, evaluation = judged
    workspace.latest_samples.write_bytes(b"drawn while it trained")
    _keep_pictures(evaluation, workspace, Console())
    reports = {path.name: path.read_bytes() for path in workspace.reports.iterdir()}
    assert reports == {"7.html": b"report", "latest.html": b"report"}
    assert workspace.latest_samples.read_bytes() == b"samples"
    assert capsys.readouterr().out == ""


def test_without_samples_a_run_keeps_those_drawn_while_it_trained(judged, capsys):
    workspace, evaluation = judged
    (evaluation / "samples.png").unlink()
    workspace.latest_samples.write_bytes(b"drawn while it trained")
    _keep_pictures(evaluation, workspace, Console())
    assert (workspace.reports / "latest.html").read_bytes() == b"report"
    assert workspace.latest_samples.read_bytes() == b"drawn while it trained"
    assert capsys.readouterr().out == ""


def test_a_run_goes_on_where_a_folder_is_in_the_place_of_the_samples(judged, capsys):
    workspace, evaluation = judged
    workspace.latest_samples.mkdir()
    _keep_pictures(evaluation, workspace, Console())
    assert (workspace.reports / "latest.html").read_bytes() == b"report"
    assert capsys.readouterr().out == (
        f"  samples cannot be written to {workspace.latest_samples}: Is a directory\n"
    )


def test_samples_that_are_a_link_are_not_copied(judged, tmp_path, capsys):
    workspace, evaluation = judged
    (tmp_path / "secret").write_text("secret")
    (evaluation / "samples.png").unlink()
    (evaluation / "samples.png").symlink_to(tmp_path / "secret")
    _keep_pictures(evaluation, workspace, Console())
    assert not workspace.latest_samples.exists()
    assert "samples cannot be written" in capsys.readouterr().out


@pytest.mark.parametrize("decided", [True, False])
def test_a_run_whose_student_fails_keeps_its_report_and_has_read_its_images(tmp_path, decided):
    workspace = Workspace(tmp_path)
    with workspace.locked():
        recorded = Recorded(workspace.metadata, workspace.artifacts)
        recorded.run(pushed=decided)
        (run,) = lineage.runs(recorded.store)
        run.evaluation.mkdir(parents=True)
        (run.evaluation / "report.html").write_bytes(b"report")
        _keep_if_decided(workspace, {0: b"12345678"}, [run.id], Console())
    kept = [path.name for path in workspace.reports.iterdir()]
    assert ("latest.html" in kept) == decided
    assert Journal(workspace.journal).snapshots() == ({0: b"12345678"} if decided else {})


def test_a_run_that_fails_before_its_first_node_keeps_nothing_of_an_earlier_one(tmp_path):
    workspace = Workspace(tmp_path)
    Recorded(workspace.metadata, workspace.artifacts).run()
    _keep_if_decided(workspace, {0: b"12345678"}, [], Console())
    assert not workspace.reports.exists()
