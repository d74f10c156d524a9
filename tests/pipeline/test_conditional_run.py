"""A run whose model is told the labels, from the folders' names to the served signatures."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.registry import serving
from tests.pipeline.conftest import states

DIGITS = [str(digit) for digit in range(10)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def conditional(trained, tmp_path_factory):
    """A copy of the workspace, in which the next model is conditional."""
    runs = trained.copy(tmp_path_factory.mktemp("conditional") / "workspace")
    runs.first = runs.run("model.conditional=true", "sample.guidance=1.5", "sample.autoguidance=2")
    return runs


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_the_labels_of_the_folders_reach_the_pushed_model(conditional):
    found = states(conditional.first)
    assert (found["Transform"], found["Trainer"], found["Pusher"]) == ("done",) * 3
    metadata = serving.read_metadata(conditional.first.pushed)
    assert metadata["labels"] == DIGITS
    # Two steps of Euler, each of two branches, each of the network and its guide.
    assert metadata["nfe"] == 8
    assert metadata["config"]["model"]["conditional"] is True


def test_a_conditional_model_serves_without_this_project(conditional):
    result = iadb("serve-check", "--workspace", conditional.workspace.folder)
    assert result.exit_code == 0, result.output


def test_sample_draws_the_class_that_is_asked_for(conditional, tmp_path):
    grids = {}
    for label in ("3", "8"):
        where = ("--workspace", conditional.workspace.folder, "-o", tmp_path / f"{label}.png")
        result = iadb("sample", *where, "--count", 4, "--label", label)
        assert result.exit_code == 0, result.output
        grids[label] = np.array(Image.open(tmp_path / f"{label}.png"))
    assert np.any(grids["3"] != grids["8"])
    result = iadb("sample", *where, "--label", "three")
    assert result.exit_code == 2
    assert result.output.startswith("iadb: label 'three': unknown; there are 0, 1, 2")
