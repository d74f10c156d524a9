import errno
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.atomic_pusher import versions
from tests.recorded import write_model

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from components.atomic_pusher import versions

copyfile = shutil.copyfile

def copy_one_and_die(source, target):
    copyfile(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

shutil.copyfile = copy_one_and_die
versions.publish(Path(sys.argv[1]), Path(sys.argv[2]), {})
"""


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


def names(folder):
    return {path.name for path in folder.iterdir() if path.is_dir()}


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_version_is_a_copy_of_the_model_with_notes_in_its_metadata(model, tmp_path):
    version = versions.publish(model, tmp_path / "serving", {"model": 7})
    metadata = json.loads((model / versions.METADATA).read_text())
    assert json.loads((version / versions.METADATA).read_text()) == {**metadata, "model": 7}
    same, copied = content(model), content(version)
    assert same.pop(versions.METADATA) != copied.pop(versions.METADATA)
    assert copied == same


def test_readers_do_not_see_a_version_while_it_is_copied(model, tmp_path, monkeypatch):
    serving = tmp_path / "serving"
    first = versions.publish(model, serving, {})
    seen = []

    def watched(source, target):
        seen.append({name for name in names(serving) if name.isdecimal()})
        return copyfile(source, target)

    copyfile = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", watched)
    second = versions.publish(model, serving, {})
    assert seen == [{first.name}] * len(content(model))
    assert versions.complete_versions(serving) == [first, second]


def test_a_killed_push_leaves_a_hidden_folder_that_the_next_push_removes(model, tmp_path):
    serving = tmp_path / "serving"
    killed = subprocess.run([sys.executable, "-c", KILLED, model, serving])
    assert killed.returncode == -9
    [left] = names(serving)
    assert left.startswith(".")
    assert content(serving / left)
    assert versions.complete_versions(serving) == []
    version = versions.publish(model, serving, {})
    assert names(serving) == {version.name}


def test_a_failed_push_leaves_nothing_and_reports_the_reason(model, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left") as error:
        versions.publish(model, tmp_path / "serving", {})
    assert error.value.errno == errno.ENOSPC
    assert names(tmp_path / "serving") == set()


def test_numbers_increase_within_a_second_and_if_the_clock_goes_back(model, tmp_path, monkeypatch):
    found = []
    for now in (1000.9, 1000.95, 400.0, 2000.0):
        monkeypatch.setattr(versions.time, "time", lambda now=now: now)
        found.append(versions.publish(model, tmp_path / "serving", {}).name)
    assert found == ["1000", "1001", "1002", "2000"]
    assert [path.name for path in versions.complete_versions(tmp_path / "serving")] == found


def test_names_that_are_not_numbers_are_ignored_for_the_next_number(tmp_path):
    assert versions.next_number(["9" * 17, "x", "-5", "9" * 30, ".partial-1"]) == 10**17


@pytest.mark.parametrize("highest", [10**18 - 1, 10**18])
def test_numbers_of_nineteen_digits_are_versions_as_for_tensorflow_serving(
    model, tmp_path, highest
):
    (tmp_path / "serving" / str(highest)).mkdir(parents=True)
    published = versions.publish(model, tmp_path / "serving", {})
    assert published.name == str(highest + 1)
    assert versions.complete_versions(tmp_path / "serving") == [published]


def test_no_version_follows_the_highest_number():
    with pytest.raises(OSError, match="no version can follow 9223372036854775807"):
        versions.next_number([str(2**63 - 1)])


def test_what_another_user_has_left_or_hidden_stops_no_push(model, tmp_path, monkeypatch):
    serving = tmp_path / "serving"
    left, hidden = serving / ".partial-7", serving / "20250101"
    for folder in (left, hidden):
        folder.mkdir(parents=True)
    remove, is_file = versions.shutil.rmtree, Path.is_file

    def may_not_remove(path, ignore_errors=False):
        if path != left:
            remove(path, ignore_errors)
        elif not ignore_errors:
            raise PermissionError(errno.EACCES, "denied", str(path))

    def may_not_look(path):
        if path.parent == hidden:
            raise PermissionError(errno.EACCES, "denied", str(path))
        return is_file(path)

    monkeypatch.setattr(versions.shutil, "rmtree", may_not_remove)
    monkeypatch.setattr(Path, "is_file", may_not_look)
    published = versions.publish(model, serving, {})
    assert versions.complete_versions(serving) == [published]
    versions.remove(published)
    assert versions.complete_versions(serving) == []


def test_each_concurrent_push_gets_its_own_version(model, tmp_path):
    def push(number):
        return versions.publish(model, tmp_path / "serving", {"model": number})

    with ThreadPoolExecutor(8) as pool:
        pushed = list(pool.map(push, range(16)))
    assert sorted(pushed) == versions.complete_versions(tmp_path / "serving")
    notes = [json.loads((path / versions.METADATA).read_text())["model"] for path in pushed]
    assert notes == list(range(16))


def test_only_numbered_folders_with_a_model_are_versions(tmp_path):
    for name in ("9", "10", "11", "copy-of-12", "-13", "١٤", ".partial-15"):
        (tmp_path / name).mkdir()
        if name != "11":
            (tmp_path / name / versions.SAVED_MODEL).touch()
    (tmp_path / "16").touch()
    assert [path.name for path in versions.complete_versions(tmp_path)] == ["9", "10"]
