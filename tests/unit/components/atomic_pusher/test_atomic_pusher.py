import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.io import fileio

from components.atomic_pusher import names, versions
from trainer.names import CARD_SAMPLES, MODEL_CARD, WARM_UP


def test_a_blessed_model_becomes_a_version_that_records_its_model(push, tmp_path):
    pushed = push(tmp_path / "serving")
    [version] = versions.complete_versions(tmp_path / "serving")
    assert pushed.get_int_custom_property(names.PUSHED) == 1
    assert pushed.get_string_custom_property(names.DESTINATION) == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert json.loads((version / versions.METADATA).read_text())["model"] == 7
    assert [path.read_text() for path in Path(pushed.uri).iterdir()] == [str(version)]


@pytest.mark.parametrize(
    "state",
    [{"blessed": False}, {"withdrawn": True}, {"teacher": 5, "teacher_withdrawn": True}],
)
def test_a_model_that_must_not_be_served_is_not_pushed(push, tmp_path, state):
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
    assert {MODEL_CARD, CARD_SAMPLES} <= set(found)
    assert versions.SAVED_MODEL not in found
    with fileio.open(f"{serving}/{first}/{versions.METADATA}") as file:
        assert json.load(file)["model"] == 7
    second = push(serving).get_string_custom_property("pushed_version")
    assert int(second) > int(first)


def test_the_version_of_a_student_names_its_teacher(push, tmp_path):
    push(tmp_path / "serving", teacher=5)
    [version] = versions.complete_versions(tmp_path / "serving")
    assert json.loads((version / versions.METADATA).read_text())["teacher_model"] == 5
