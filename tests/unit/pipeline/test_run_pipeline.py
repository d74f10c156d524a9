from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

from pipeline.run import _claim, _remember, _tell_of_kill
from pipeline.workspace import Workspace
from tests.recorded import Recorded


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
