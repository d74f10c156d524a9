"""What a run will take, before it starts."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.config.pipeline_config import load
from pipeline.estimate.survey import check_space
from pipeline.workspace import Workspace, WorkspaceError
from tests.pipeline.conftest import TINY
from tests.pipeline.stand_ins import quick_network

TIMED = ("starting", "ImageExampleGen", "RealFeatures", "Trainer", "SampleEvaluator")
STUDENTS = ("Student", "StudentEvaluator")


def estimate(workspace, data, *overrides):
    """The lines of an estimate, as words."""
    arguments = ["run", "--estimate", "--preset", "digits", "--data", data]
    arguments += ["--workspace", workspace]
    arguments += [f"--set={each}" for each in (*TINY, *overrides)]
    with quick_network():
        result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.output.splitlines()]


def sources(lines):
    """Where the time of each node is from."""
    header = next(i for i, line in enumerate(lines) if line[:1] == ["node"])
    return {line[0]: line[-1] for line in lines[header + 1 :]}


@pytest.mark.slow
def test_an_estimate_times_what_no_earlier_run_tells_and_writes_nothing(tmp_path, digits_folder):
    student = ("distill.enabled=true", "distill.nfe=2")
    lines = estimate(tmp_path / "workspace", digits_folder, *student)
    found = sources(lines)
    assert {node for node, source in found.items() if source == "timed"} == {*TIMED, *STUDENTS}
    assert found["StatisticsGen"] == found["others"] == "typical"
    assert ["1,797", "images,"] in (line[1:3] for line in lines)
    assert lines[-1][0] == "disk"
    assert lines[-1][-1] == "free"
    assert not os.listdir(tmp_path)


def test_a_run_that_was_made_before_is_cached_and_another_training_known_from_it(trained):
    runs = trained.workspace, trained.data
    found = sources(estimate(runs[0].folder, runs[1]))
    assert found["ImageExampleGen"] == found["RealFeatures"] == "cached"
    found = sources(estimate(runs[0].folder, runs[1], "train.steps=24"))
    assert found["ImageExampleGen"] == "cached"
    assert found["Trainer"] == f"{trained.first.started:%Y-%m-%d}"


def test_a_run_is_refused_if_its_disk_cannot_do(tmp_path, digits_folder):
    workspace = Workspace(tmp_path)
    # Weights that fill any disk.
    config = load(
        "digits", overrides=[f"data.folder={digits_folder}", "model.channels=[32,6400000]"]
    )
    with pytest.raises(WorkspaceError, match="are free on its disk, and this run needs about"):
        check_space(config, workspace, "", "", 1797)
    assert [*Path(tmp_path).iterdir()] == []
