import subprocess
import sys

import pytest

from pipeline.workspace import Workspace, WorkspaceError

HOLD = """
import sys, time
from pathlib import Path
from pipeline.workspace import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()


def test_another_process_keeps_a_run_out(tmp_path, holder):
    with (
        pytest.raises(WorkspaceError, match=f"in use by process {holder.pid} on .+ since"),
        Workspace(tmp_path).locked(),
    ):
        pass


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with Workspace(tmp_path).locked():
        assert (tmp_path / "serving").is_dir()
