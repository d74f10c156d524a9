"""Which held-out images `iadb sample` shows with a model that translates, without any model."""

import json

import pytest

from components.atomic_pusher.versions import METADATA
from pipeline.registry.serving import TooManyStepsError
from pipeline.translation.held_out import NoHeldOutImagesError, draw_rows
from pipeline.workspace import Workspace
from trainer.source.options import Source


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The metadata of a model that translates, where loading one would fail."""
    monkeypatch.setattr("pipeline.translation.held_out.LoadedModel", None)
    write_about(tmp_path / "model")
    return tmp_path / "model"


def write_about(folder):
    about = {"source": Source(degrade="gray").model_dump(), "shape": (8, 8, 3), "nb_step": 3}
    (folder / METADATA).parent.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).write_text(json.dumps({**about, "limits": {}}))


def test_missing_images_and_too_many_steps_are_reported_before_tensorflow_starts(model, tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(NoHeldOutImagesError, match="translate files: `iadb translate FILES`"):
        draw_rows(workspace, model, 4, 0, None, "")
    with pytest.raises(TooManyStepsError, match="9999 solver steps"):
        draw_rows(workspace, model, 4, 0, 9999, "")
