import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from pipeline.workspace import Workspace, WorkspaceError

HOLD = """
import sys, time
from pathlib import Path
from pipeline.workspace import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(600)
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


def test_a_link_in_place_of_a_lock_is_reported_in_one_line(tmp_path):
    (tmp_path / "other").write_text("kept")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".lock").symlink_to(tmp_path / "other")
    with pytest.raises(WorkspaceError) as error, Workspace(tmp_path / "w").locked():
        pass
    assert str(error.value) == (
        f"workspace {tmp_path / 'w'} cannot be written: .lock is a link; remove it; "
        "choose another with --workspace"
    )
    assert (tmp_path / "other").read_text() == "kept"


@pytest.mark.parametrize("lock", [Workspace.locked, Workspace.checking, Workspace.scheduled])
@pytest.mark.parametrize("folder", ["file", "link", "file/below"])
def test_a_file_in_place_of_the_folder_is_reported_in_one_line(tmp_path, folder, lock):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(WorkspaceError) as error, lock(Workspace(tmp_path / folder)):
        pass
    assert str(error.value) == (
        f"workspace {tmp_path / folder} cannot be written: Not a directory; "
        "choose another with --workspace"
    )
    assert (tmp_path / "file").read_text() == "kept"


def test_a_path_that_is_too_long_for_a_database_is_reported_before_anything_is_written(tmp_path):
    left = 488 - len(str(tmp_path)) - len("/") - len("/")
    longest = tmp_path / ("é" * 100) / ("b" * (left - 200))
    longer = longest.with_name(longest.name + "b")
    reason = r"too long for SQLite \(489 bytes; at most 488\); choose another with --workspace$"
    link = tmp_path / "link"
    link.symlink_to(longer)
    for folder in (longer, link):
        with pytest.raises(WorkspaceError, match=reason), Workspace(folder).locked():
            pass
        with pytest.raises(WorkspaceError, match=reason), Workspace(folder).checking():
            pass
    assert not longest.parent.exists()
    around = longest / "x" / ".."  # longer, until it is resolved
    (longest / "x").mkdir(parents=True)
    for folder in (longest, around):
        with Workspace(folder).locked(), closing(sqlite3.connect(folder / "metadata.sqlite")) as db:
            db.execute("create table if not exists runs (id)")


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with Workspace(tmp_path).locked():
        assert (tmp_path / "serving").is_dir()
