from pathlib import Path

from rich.console import Console

from pipeline.run import _claim, _remember
from pipeline.workspace import Workspace


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
