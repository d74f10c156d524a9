"""Checks for new data as cron starts them: `iadb run --if-new-data`, with the real pipeline."""

import subprocess
import sys

import pytest

from pipeline.registry.journal import Journal
from pipeline.workspace import Workspace
from tests.pipeline.conftest import TINY
from tests.quick_iadb import QUICK_IADB
from trainer.common import exit_codes

# Whole runs in child processes. More of them: test_month.py; quick: tests/unit/pipeline/unattended.
pytestmark = pytest.mark.slow

SETTINGS = (
    *TINY,
    "data.pattern=span-{SPAN}",
    "data.eval_percent=40",  # frechet_distance needs more held-out images than pixels
    "schedule.retry_wait_seconds=0",
    "schedule.min_free_gb=0",
)


# `iadb`, whose runs train the small network.
IADB = (
    sys.executable,
    "-c",
    f"from pipeline.unattended import runs; runs.IADB = {QUICK_IADB!r}\n"
    "from pipeline.cli import main; main()",
)


class Place:
    """A folder of spans, each a third of the digits, and the workspace that reads it."""

    def __init__(self, folder, digits):
        self.data = folder / "data"
        self.workspace = Workspace(folder / "workspace")
        self.journal = Journal(self.workspace.journal)
        self._images = sorted(digits.glob("*/*.png"))

    def arrive(self, span, good=True):
        for file in self._images[span - 1 :: 3]:
            target = self.data / f"span-{span}" / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes() if good else b"not an image")

    def check(self, *overrides):
        """Runs a check; returns its exit code and its output."""
        command = [*IADB, "run", "--if-new-data", "--preset", "digits", "--data", self.data]
        command += ["--workspace", self.workspace.folder]
        command += [f"--set={setting}" for setting in (*SETTINGS, *overrides)]
        result = subprocess.run(command, capture_output=True, text=True)
        # With the small network, TensorFlow starts before its messages go to the log.
        return result.returncode, result.stderr + result.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory, digits_folder):
    """A good span, no new one, and a bad one; `checks` are the code and the output of each."""
    place = Place(tmp_path_factory.mktemp("unattended"), digits_folder)
    place.arrive(1)
    place.checks = [place.check(), place.check()]
    place.arrive(2, good=False)
    place.checks.append(place.check())
    return place


def test_a_good_span_is_trained_on_once(place):
    (code, output), again, _ = place.checks
    assert code == 0, output
    assert "✓ Trainer" in output
    assert "blessed: 599 new images in span 1; kid" in output.splitlines()[-1]
    assert again == (0, "nothing new: no new images, the newest span is 1\n")


def test_a_bad_span_is_held(place):
    code, output = place.checks[2]
    assert code == exit_codes.HELD, output
    assert "599 of 599 files rejected" in place.journal.held_spans()[2].reason
