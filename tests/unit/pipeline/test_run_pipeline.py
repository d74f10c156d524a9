from pathlib import Path

from rich.console import Console

from pipeline.run import _remember
from pipeline.workspace import Workspace


def test_images_whose_reading_cannot_be_recorded_stay_new_and_the_run_goes_on(tmp_path, capsys):
    workspace = Workspace(tmp_path)
    Path(workspace.journal).mkdir()  # no database can be opened there, as on a full disk
    _remember(workspace, {0: b"12345678"}, Console())
    assert capsys.readouterr().out.startswith("  these images stay new: ")
