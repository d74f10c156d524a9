"""A workspace with the records of some days, written day by day."""

import json
from datetime import datetime, timedelta, timezone

import numpy as np

from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import Site
from pipeline.registry.journal import Journal, Outcome
from pipeline.workspace import Workspace
from tests.recorded import Recorded
from trainer.common.image_grid import grid_png

HOSTILE = '<script>alert("x")</script><img src=http://example.com/x>\x1b[2J\u202e $x^2$'
FIRST = datetime(2026, 11, 2, 3, tzinfo=timezone.utc)  # a Monday


class Story:
    """Writes a workspace as scheduled checks would.

    Attributes:
        workspace: the workspace.
        recorded: its ML Metadata.
        journal: its journal.
    """

    def __init__(self, folder):
        folder.mkdir()
        self.workspace = Workspace(folder)
        self.recorded = Recorded(self.workspace.metadata, self.workspace.artifacts)
        self.journal = Journal(self.workspace.journal)
        self._nb_run = 0

    def attempt(self, day, outcome, message="", *, runs=(), found="60 new images"):
        """Records a check on a day, counted from 0."""
        begun = FIRST + timedelta(days=day)
        number = self.journal.begin("schedule", {"text": found}, begun)
        for run in runs:
            self.journal.claim(number, run)
        if outcome is not None:
            end = begun + timedelta(minutes=5)
            self.journal.end(number, outcome, message, end, exit_code=0, tries=1)
        return number

    def run(self, **options):
        """Records a run; returns its id and that of its Model."""
        model = self.recorded.run(**options)
        self._nb_run += 1
        return f"run-{self._nb_run:05}", model

    def write(self, run, node, key, name, content):
        """Writes a file of an artifact."""
        path = self.workspace.artifacts / node / key / run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def write_evaluation(self, run):
        """Writes the files of a run's evaluation."""
        images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)
        metrics = {
            "metrics": {
                "kid": {
                    "candidate": 0.0123,
                    "larger_is_better": False,
                    "train": -0.0009,
                    "noise": 1.9524,
                }
            }
        }
        for name, content in (
            ("report.html", f"<title>{run}</title>".encode()),
            ("samples.png", grid_png(images)),
            ("metrics.json", json.dumps(metrics).encode()),
        ):
            self.write(run, "SampleEvaluator", "evaluation", name, content)

    def write_rejected(self, run, files=(), by_span=None, splits=None):
        """Writes the report of a run's files."""
        report = {"rejected_files": files, "splits": splits or {"train": 1600, "eval": 197}}
        report |= {"by_span": by_span} if by_span else {}
        self.write(run, "ImageExampleGen", "examples", "rejected.json", json.dumps(report).encode())

    def site(self, day=10):
        """The pages of a day."""
        return Site(collect(self.workspace), FIRST + timedelta(days=day))


def record_everything(story, text):
    """Records something of each kind, with `text` wherever text from outside may appear."""
    run, parent = story.run(span=1, reason=text)
    story.write_evaluation(run)
    story.write_rejected(
        run, [[text, text]], {"1": {"accepted": 1797, "rejected": 1}}, {text: 1797}
    )
    story.attempt(0, Outcome.BLESSED, text, runs=(run,), found=text)
    story.recorded.push(parent, story.workspace.serving)
    run, child = story.run(span=2, base=parent, blessed=False, reason=text, kid=3.0)
    story.write_evaluation(run)
    story.attempt(1, Outcome.NOT_BLESSED, text, runs=(run,))
    story.attempt(2, Outcome.HELD, text)
    story.journal.hold(3, text, FIRST + timedelta(days=2))
    story.journal.hold(4, text, FIRST + timedelta(days=3))
    story.journal.release(4, FIRST + timedelta(days=4))
    story.attempt(3, None)
    story.attempt(4, Outcome.NOTHING_NEW)
    artifact = story.recorded.store.get_artifacts_by_id([child])[0]
    artifact.custom_properties["withdrawn"].string_value = text
    artifact.custom_properties["withdrawn_at"].string_value = FIRST.isoformat()
    story.recorded.store.put_artifacts([artifact])
    return parent, child
