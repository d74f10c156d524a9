"""What a run leaves in its workspace: reports, samples, and what it has read."""

from pathlib import Path

import pytest
from rich.console import Console

from pipeline.registry import lineage
from pipeline.registry.journal import Journal
from pipeline.results.kept import _keep_pictures, _remember, keep_if_decided
from pipeline.workspace import Workspace
from tests.recorded import Recorded


def test_images_whose_reading_cannot_be_recorded_stay_new_and_the_run_goes_on(tmp_path, capsys):
    workspace = Workspace(tmp_path)
    Path(workspace.journal).mkdir()  # no database can be opened there, as on a full disk
    _remember(Journal(workspace.journal, "/images"), {0: b"12345678"}, Console())
    assert capsys.readouterr().out.startswith("  these images stay new: ")


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
        journal = Journal(workspace.journal, "/images")
        keep_if_decided([run.id], journal, workspace, {0: b"12345678"}, Console())
    kept = [path.name for path in workspace.reports.iterdir()]
    assert ("latest.html" in kept) == decided
    assert Journal(workspace.journal).snapshots() == ({0: b"12345678"} if decided else {})


def test_a_run_that_fails_before_its_first_node_keeps_nothing_of_an_earlier_one(tmp_path):
    workspace = Workspace(tmp_path)
    Recorded(workspace.metadata, workspace.artifacts).run()
    journal = Journal(workspace.journal, "/images")
    keep_if_decided([], journal, workspace, {0: b"12345678"}, Console())
    assert not workspace.reports.exists()
