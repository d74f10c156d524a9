"""Checks for new data as cron starts them: `iadb run --if-new-data`, with the real pipeline."""

import shutil
import subprocess
import sys

import pytest

from pipeline.registry.journal import Journal, Outcome
from pipeline.registry.lineage import connect, runs
from pipeline.registry.models import load_models
from pipeline.workspace import Workspace
from tests.pipeline.conftest import TINY
from trainer.common import exit_codes

SETTINGS = (
    *TINY,
    "data.pattern=span-{SPAN}",
    "data.window=2",
    "data.eval_percent=40",  # frechet_distance needs more held-out images than pixels
    "train.warm_start=true",
    "schedule.challenger_every=2",
    "schedule.retry_wait_seconds=0",
    "schedule.min_free_gb=0",
)


@pytest.fixture
def check(tmp_path):
    """Runs a check; returns its exit code and its output."""

    def run(*overrides):
        command = [sys.executable, "-m", "pipeline.cli", "run", "--if-new-data"]
        command += ["--preset", "digits", "--data", tmp_path / "data"]
        command += ["--workspace", tmp_path / "workspace"]
        command += [f"--set={setting}" for setting in (*SETTINGS, *overrides)]
        result = subprocess.run(command, capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    return run


def test_good_spans_are_trained_on_a_bad_one_is_held_and_a_challenger_comes_in_its_turn(
    tmp_path, digits_folder, check
):
    workspace = Workspace(tmp_path / "workspace")
    journal = Journal(workspace.journal)
    images = sorted(digits_folder.glob("*/*.png"))

    def arrive(span, files):
        for file in files:
            target = tmp_path / "data" / f"span-{span}" / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    arrive(1, images[::3])
    code, output = check()
    assert code == 0, output
    assert "✓ Trainer" in output
    assert "blessed: 599 new images in span 1; kid" in output.splitlines()[-1]

    assert check() == (0, "nothing new: no new images, the newest span is 1\n")

    arrive(2, images[1::3])
    for file in (tmp_path / "data" / "span-2").glob("*/*.png"):
        file.write_bytes(b"not an image")
    code, output = check("data.window=1")
    assert code == exit_codes.HELD, output
    assert "599 of 599 files rejected" in journal.held_spans()[2].reason

    arrive(3, images[2::3])
    code, output = check()
    attempt = journal.attempts()[-1]
    assert attempt.outcome in (Outcome.BLESSED, Outcome.NOT_BLESSED), output
    assert attempt.exit_code == code
    assert (attempt.tries, attempt.from_scratch) == (2, True)
    assert attempt.message.startswith("599 new images in span 3; held (see `iadb spans`): 2; ")
    assert "; from scratch: " in attempt.message
    last = runs(connect(workspace.metadata), last=2)
    assert list(attempt.runs) == [run.id for run in last]
    warm, challenger = load_models(connect(workspace.metadata), workspace.serving)[-2:]
    assert warm.parent is not None and challenger.parent is None
    assert {warm.span, challenger.span} == {3}
