"""Which held-out images `iadb sample` shows with a model that translates, without any model."""

import json
import shutil
from pathlib import Path

import pytest

from components.atomic_pusher.versions import METADATA, MODEL_NOTE
from pipeline.registry.serving import read_model
from pipeline.translation.held_out import NoHeldOutImagesError, _find_examples, draw_rows
from pipeline.workspace import Workspace
from tests.recorded import Recorded
from trainer.names import FINGERPRINT
from trainer.serving.stored_model import ModelArgumentError
from trainer.source.options import Source


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The metadata of a model that translates, where loading one would fail."""
    monkeypatch.setattr("trainer.serving.stored_model.load_saved_model", None)
    write_about(tmp_path / "model")
    return tmp_path / "model"


def write_about(folder, **notes):
    about = {"source": Source(degrade="gray").model_dump(), "shape": (8, 8, 3), "nb_step": 3}
    (folder / METADATA).parent.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).write_text(json.dumps({**about, "limits": {}, **notes}))


@pytest.fixture
def pushed(tmp_path):
    """A workspace with held-out images, and the version of its model."""
    workspace = Workspace(tmp_path / "workspace")
    workspace.folder.mkdir()
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    number = recorded.run()
    version = workspace.serving / str(recorded.push(number, workspace.serving))
    write_about(version, **{MODEL_NOTE: number, "weights": "0123"})
    (artifact,) = recorded.store.get_artifacts_by_type("Examples")
    held_out = Path(artifact.uri) / "Split-eval" / "images.gz"
    held_out.parent.mkdir(parents=True)
    held_out.touch()
    return workspace, version, str(held_out)


def test_held_out_images_of_a_version_and_of_its_copy_elsewhere_are_found(pushed, tmp_path):
    workspace, version, held_out = pushed
    copy = shutil.copytree(version, tmp_path / "copy")
    for model in (version, copy):
        assert _find_examples(workspace, model, "eval") == [held_out]


def test_held_out_images_in_a_workspace_that_was_moved_are_found(pushed):
    workspace, version, held_out = pushed
    moved = Workspace(workspace.folder.with_name("moved"))
    workspace.folder.rename(moved.folder)
    there = str(moved.folder / Path(held_out).relative_to(workspace.folder))
    assert _find_examples(moved, moved.serving / version.name, "eval") == [there]


def test_another_model_that_has_the_same_number_in_its_workspace_is_not_taken_for_it(
    pushed, tmp_path
):
    workspace, version, _ = pushed
    other = shutil.copytree(version, tmp_path / "other")
    (other / FINGERPRINT).write_bytes(b"another")
    with pytest.raises(NoHeldOutImagesError, match="the run that trained it are not in"):
        _find_examples(workspace, other, "eval")


def test_missing_images_and_too_many_steps_are_reported_before_tensorflow_starts(model, tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(NoHeldOutImagesError, match="translate files: `iadb translate FILES`"):
        draw_rows(workspace, read_model(model), 4, 0, None, None)
    with pytest.raises(ModelArgumentError, match="9999 solver steps"):
        draw_rows(workspace, read_model(model), 4, 0, 9999, None)
