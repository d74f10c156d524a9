import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types.standard_artifacts import Model, ModelBlessing, PushedModel
from tfx.utils import proto_utils

from components.atomic_pusher import executor, names, versions
from components.image_trainer.names import TEACHER
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY
from tests.recorded import write_model
from trainer.names import WARM_UP


@pytest.fixture
def push(tmp_path):
    def push_to(serving, *, blessed=True, withdrawn=False, teacher=None):
        """Runs the executor on a model with the id 7; returns the PushedModel."""
        model, blessing, pushed = Model(), ModelBlessing(), PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
        model.id = 7
        if not (tmp_path / "model").exists():
            write_model(tmp_path / "model" / "Format-Serving")
        if withdrawn:
            model.set_string_custom_property(WITHDRAWN_PROPERTY, "draws only noise")
        if teacher:
            model.set_int_custom_property(TEACHER, teacher)
        blessing.set_int_custom_property("blessed", int(blessed))
        destination = pusher_pb2.PushDestination()
        destination.filesystem.base_directory = str(serving)
        executor.Executor().Do(
            {"model": [model], "model_blessing": [blessing]},
            {names.PUSHED_MODEL: [pushed]},
            {"push_destination": proto_utils.proto_to_json(destination)},
        )
        return pushed

    return push_to


def test_a_blessed_model_becomes_a_version_that_records_its_model(push, tmp_path):
    pushed = push(tmp_path / "serving")
    [version] = versions.complete_versions(tmp_path / "serving")
    assert pushed.get_int_custom_property(names.PUSHED) == 1
    assert pushed.get_string_custom_property(names.DESTINATION) == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert json.loads((version / versions.METADATA).read_text())["model"] == 7
    assert [path.read_text() for path in Path(pushed.uri).iterdir()] == [str(version)]


@pytest.mark.parametrize("state", [{"blessed": False}, {"withdrawn": True}])
def test_a_model_that_is_not_blessed_or_was_withdrawn_is_not_pushed(push, tmp_path, state):
    pushed = push(tmp_path / "serving", **state)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_on_an_object_store_the_file_that_servers_require_is_written_last(push, monkeypatch):
    """Like object stores, TensorFlow's in-memory file system cannot rename folders."""
    serving = "ram://atomic_pusher/serving"
    steps = []

    def watched(source, target, overwrite):
        found = sorted(name for _, _, files in fileio.walk(serving) for name in files)
        steps.append((target.rpartition("/")[2], found))
        copy(source, target, overwrite)

    copy = tf.io.gfile.copy
    monkeypatch.setattr(tf.io.gfile, "copy", watched)
    first = push(serving).get_string_custom_property("pushed_version")
    last, found = steps[-1]
    assert last == versions.SAVED_MODEL
    assert {"fingerprint.pb", "iadb.json", WARM_UP.rpartition("/")[2]} <= set(found)
    assert versions.SAVED_MODEL not in found
    with fileio.open(f"{serving}/{first}/{versions.METADATA}") as file:
        assert json.load(file)["model"] == 7
    second = push(serving).get_string_custom_property("pushed_version")
    assert int(second) > int(first)


def test_the_version_of_a_student_names_its_teacher(push, tmp_path):
    push(tmp_path / "serving", teacher=5)
    [version] = versions.complete_versions(tmp_path / "serving")
    assert json.loads((version / versions.METADATA).read_text())["teacher_model"] == 5
