import getpass
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from components.atomic_pusher.versions import METADATA, complete_versions
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import (
    WITHDRAWN_AT_PROPERTY,
    WITHDRAWN_PROPERTY,
    recall,
)
from pipeline.cli import main
from pipeline.registry import lineage, live_model, serving
from pipeline.registry.live_model import LiveModelError, promote, rollback
from pipeline.registry.models import load_models
from pipeline.workspace import Workspace, WorkspaceError
from tests.recorded import Recorded, set_property, write_model

KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.registry import live_model
from pipeline.workspace import Workspace

live_model.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
live_model.rollback(Workspace(Path(sys.argv[1])), None, "bad")
"""


class Served:
    """A workspace with models a, b and so on, each with a version."""

    def __init__(self, folder, count):
        self.workspace = Workspace(folder)
        folder.mkdir()
        self.recorded = Recorded(self.workspace.metadata, self.workspace.artifacts)
        self.numbers = [self.recorded.run() for _ in range(count)]
        self.versions = [self.push(number) for number in self.numbers]

    def push(self, number):
        return self.recorded.push(number, self.workspace.serving)

    def models(self):
        store = lineage.connect(self.workspace.metadata)
        return {model.number: model for model in load_models(store, self.workspace.serving)}

    def live(self):
        return next(model.number for model in self.models().values() if model.live)

    def withdrawn(self):
        return [number for number, model in self.models().items() if model.withdrawn]


@pytest.fixture
def served(tmp_path):
    return lambda count: Served(tmp_path / "workspace", count)


def test_a_rollback_puts_the_model_before_the_live_one_live_as_a_new_version(served):
    place = served(3)
    a, b, c = place.numbers
    version, withdrawn = rollback(place.workspace, None, "six fingers")
    assert version == complete_versions(place.workspace.serving)[-1]
    assert int(version.name) > place.versions[2]
    metadata = json.loads((version / METADATA).read_text())
    assert (metadata["model"], metadata["rollback_of"]) == (b, place.versions[1])
    same = place.workspace.serving / str(place.versions[1]) / "fingerprint.pb"
    assert (version / "fingerprint.pb").read_bytes() == same.read_bytes()
    assert place.live() == b
    assert withdrawn == place.withdrawn() == [c]
    assert place.models()[c].withdrawn == "six fingers"
    assert place.models()[a].withdrawn is None


def test_a_rollback_is_remembered_for_trainings_that_are_exported_again(served):
    place = served(2)
    bad = {"nb_step": 4, "weights": "a1", "config": {"sample": {"guidance": 1.0}}}
    file = place.workspace.serving / str(place.versions[1]) / METADATA
    file.write_text(json.dumps(json.loads(file.read_text()) | bad))
    rollback(place.workspace, None, "six fingers")
    assert recall(place.workspace.checkpoints, bad).reason == "six fingers"
    for other in ({"weights": "b2"}, {"nb_step": 8}, {"weights": None}):
        assert recall(place.workspace.checkpoints, bad | other) is None


def test_a_rollback_forbids_nothing_that_the_live_model_draws(served):
    place = served(2)
    for version in place.versions:  # of one training, exported twice
        file = place.workspace.serving / str(version) / METADATA
        file.write_text(json.dumps(json.loads(file.read_text()) | {"weights": "a1"}))
    rollback(place.workspace, None, "six fingers")
    assert place.withdrawn() == [place.numbers[1]]
    assert recall(place.workspace.checkpoints, serving.read_metadata(file.parent.parent)) is None


def test_a_second_rollback_goes_back_further_and_the_last_model_stays(served):
    place = served(3)
    a, b, c = place.numbers
    rollback(place.workspace, None, "bad")
    rollback(place.workspace, None, "bad too")
    assert place.live() == a
    assert place.withdrawn() == [b, c]
    assert place.models()[c].withdrawn == "bad"
    with pytest.raises(LiveModelError, match="no earlier version to roll back to"):
        rollback(place.workspace, None, "all bad")
    assert place.live() == a


@pytest.mark.parametrize("by", ["versions", "numbers"])
def test_a_rollback_to_a_version_withdraws_all_that_were_pushed_after_it(served, by):
    place = served(3)
    rollback(place.workspace, getattr(place, by)[0], "both bad")
    assert place.live() == place.numbers[0]
    assert place.withdrawn() == place.numbers[1:]


def test_a_model_made_live_again_is_rolled_back_to_its_new_version(served):
    place = served(2)
    a = place.numbers[0]
    place.push(a)
    c = place.recorded.run()
    place.push(c)
    rollback(place.workspace, place.versions[0], "bad")
    assert place.live() == a
    assert place.withdrawn() == [c]


def test_a_killed_rollback_is_completed_by_the_next_and_goes_no_further(served):
    place = served(3)
    _, b, c = place.numbers
    killed = subprocess.run([sys.executable, "-c", KILLED, place.workspace.folder])
    assert killed.returncode == -signal.SIGKILL
    assert (place.live(), place.withdrawn()) == (c, [c])
    rollback(place.workspace, None, "bad")
    assert (place.live(), place.withdrawn()) == (b, [c])


@pytest.mark.parametrize("action", [rollback, promote])
def test_a_model_that_cannot_go_live_is_rejected_and_nothing_changes(served, action):
    place = served(2)
    rollback(place.workspace, None, "six fingers")
    unpushed = place.recorded.run()
    before = list(place.workspace.serving.iterdir())
    rejected = {
        1: "1: neither a version nor a model",
        place.versions[0]: r"is live, as version \d+",
        place.versions[1]: r"was withdrawn at 20.* \(six fingers\); train a new one",
    }
    if action is rollback:
        rejected[unpushed] = "has no version in"
    else:
        rejected[unpushed] = "is blessed; `iadb run` with its configuration"
        rejected[place.recorded.run(blessed=None)] = "was not judged; `iadb run`"
        student = place.recorded.student(place.numbers[0])
        rejected[student] = f"is blessed; .* or `iadb distill {place.numbers[0]}`, as it was begun,"
    for number, message in rejected.items():
        with pytest.raises(LiveModelError, match=message) as error:
            action(place.workspace, number, "because")
        assert len(str(error.value).splitlines()) == 1
    assert list(place.workspace.serving.iterdir()) == before
    assert place.withdrawn() == [place.numbers[1]]


def test_a_model_that_was_live_is_rolled_back_to_and_not_promoted(served):
    place = served(2)
    with pytest.raises(LiveModelError, match=rf"`iadb rollback {place.versions[0]}` makes it live"):
        promote(place.workspace, place.numbers[0], "because")


@pytest.mark.parametrize("action", [rollback, promote])
def test_a_workspace_that_a_run_uses_is_left_alone(served, action):
    place = served(2)
    with place.workspace.locked(), pytest.raises(WorkspaceError, match="is in use by process"):
        action(place.workspace, place.versions[0], "because")
    assert place.live() == place.numbers[1]


@pytest.mark.slow
def test_a_model_that_does_not_serve_is_not_promoted(served):
    place = served(1)
    number = place.recorded.run(blessed=False)
    with pytest.raises(LiveModelError, match=rf"^model {number}: its files were removed"):
        promote(place.workspace, number, "because")
    write_model(place.models()[number].folder)
    with pytest.raises(LiveModelError, match=rf"^model {number}: does not serve: ") as error:
        promote(place.workspace, number, "because")
    assert len(str(error.value).splitlines()) == 1
    assert place.live() == place.numbers[0]
    assert place.models()[number].promoted is None


def test_a_promoted_student_is_found_as_that_of_its_teacher(served, monkeypatch):
    monkeypatch.setattr(serving, "check", lambda model: subprocess.CompletedProcess([], 0))
    place = served(1)
    (teacher,) = place.numbers
    student = place.recorded.run(blessed=False)
    (artifact,) = place.recorded.store.get_artifacts_by_id([student])
    set_property(artifact.custom_properties[trainer_names.TEACHER], teacher)
    place.recorded.store.put_artifacts([artifact])
    write_model(place.models()[student].folder)
    version = promote(place.workspace, student, "fast enough")
    assert place.live() == student
    assert serving.find_live_student(place.workspace.serving, teacher) == version
    assert serving.find_live_student(place.workspace.serving, student) is None


def test_a_student_of_a_withdrawn_teacher_is_not_made_live(served):
    place = served(1)
    teacher = place.recorded.run()
    pushed, refused = (place.recorded.student(teacher, blessed=each) for each in (True, False))
    place.push(pushed)
    live = place.recorded.run()
    place.push(live)
    [artifact] = place.recorded.store.get_artifacts_by_id([teacher])
    set_property(artifact.custom_properties[WITHDRAWN_PROPERTY], "six fingers")
    set_property(artifact.custom_properties[WITHDRAWN_AT_PROPERTY], "2027-01-15")
    place.recorded.store.put_artifacts([artifact])
    message = f"is a student of model {teacher}, which was withdrawn at 2027-01-15 .six fingers.; "
    for action, number in ((promote, refused), (rollback, pushed)):
        with pytest.raises(LiveModelError, match=f"^model {number}: {message}") as error:
            action(place.workspace, number, "because")
        assert len(str(error.value).splitlines()) == 1
    assert place.live() == live
    rollback(place.workspace, None, "bad")
    assert place.live() == place.numbers[0]


def test_no_rollback_withdraws_the_teacher_of_the_student_that_it_makes_live(served):
    place = served(1)
    (teacher,) = place.numbers
    student = place.recorded.student(teacher)
    version = place.push(student)
    place.push(place.recorded.run())
    place.push(teacher)  # again, as a run does whose model is not live
    message = f"is a student of model {teacher}, which was pushed again after it and would be withd"
    with pytest.raises(LiveModelError, match=message) as error:
        rollback(place.workspace, version, "six fingers")
    assert len(str(error.value).splitlines()) == 1
    assert (place.live(), place.withdrawn()) == (teacher, [])


def test_a_rollback_passes_over_a_student_whose_teacher_it_would_withdraw(served):
    place = served(2)
    first, teacher = place.numbers
    place.push(place.recorded.student(teacher))
    place.push(teacher)
    rollback(place.workspace, None, "six fingers")
    assert place.live() == first


def test_models_of_a_workspace_that_was_moved_are_found(served, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "check", lambda model: subprocess.CompletedProcess([], 0))
    place = served(2)
    rejected = place.recorded.run(blessed=False)
    write_model(place.models()[rejected].folder)
    moved = Workspace(tmp_path / "elsewhere")
    place.workspace.folder.rename(moved.folder)
    promote(moved, rejected, "good")
    store = lineage.connect(moved.metadata)
    folders = [model.folder for model in load_models(store, moved.serving)]
    assert all(folder.is_relative_to(moved.folder) and folder.exists() for folder in folders)


def test_a_copy_of_a_workspace_reads_nothing_in_its_original(served, tmp_path):
    place = served(1)
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(place.workspace.folder, copy.folder)
    store = lineage.connect(copy.metadata)
    assert lineage.follow_move(store, copy)
    [model] = load_models(store, copy.serving)
    assert model.folder.is_relative_to(copy.folder) and model.folder.exists()
    assert not lineage.follow_move(store, copy)


def test_a_link_to_a_workspace_leaves_the_records_as_they_are(served, tmp_path):
    place = served(1)
    link = Workspace(tmp_path / "link")
    link.folder.symlink_to(place.workspace.folder)
    assert not lineage.follow_move(lineage.connect(link.metadata), link)
    [folder] = [model.folder for model in place.models().values()]
    assert folder.is_relative_to(place.workspace.folder)


def test_a_version_is_not_of_another_model_that_got_its_number_later(served):
    place = served(2)
    (folder,) = {place.models()[place.numbers[1]].folder}
    (folder / "fingerprint.pb").write_text("another training")
    found = place.models()
    assert found[place.numbers[0]].versions == (place.versions[0],)
    assert found[place.numbers[1]].versions == ()
    assert not any(model.live for model in found.values())


def test_a_user_without_a_name_can_promote(monkeypatch):
    def unknown():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert live_model._user() == f"user {os.getuid()}"


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\x1b[2J", "x" * 501])
@pytest.mark.parametrize("command", ["rollback", "promote"])
def test_a_reason_is_one_line_that_can_be_shown(tmp_path, command, reason):
    result = iadb(command, "1", "--workspace", tmp_path, "--reason", reason)
    assert result.exit_code == 2
    assert "expected one line" in result.output


@pytest.mark.parametrize("version", ["../../etc", "0", "1e3"])
@pytest.mark.parametrize("command", ["rollback", "promote"])
def test_a_version_is_a_number_and_no_path(tmp_path, command, version):
    result = iadb(command, version, "--workspace", tmp_path, "--reason", "x")
    assert result.exit_code == 2
    assert f"invalid value for '{'VERSION_OR_MODEL' if command == 'promote' else '[VERSION]'}'" in (
        result.output
    )


def test_the_command_reports_the_live_version_and_the_withdrawn_models(served):
    place = served(2)
    b = place.numbers[1]
    where = ("--workspace", place.workspace.folder)
    result = iadb("rollback", *where, "--reason", "six [bold]fingers")
    version = complete_versions(place.workspace.serving)[-1]
    assert result.output == f"live: {version}; withdrawn: model {b}\n"
    listed = iadb("models", *where).output
    assert "withdrawn: six [bold]fingers" in listed
    assert "live, blessed" in listed


@pytest.mark.parametrize("arguments", [["rollback"], ["promote", "1", "--reason", "x"]])
def test_before_the_first_run_nothing_is_made(tmp_path, arguments):
    (tmp_path / "artifacts").mkdir()
    result = iadb(*arguments, "--workspace", tmp_path)
    assert result.exit_code == 2
    assert "`iadb run` trains one" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]
