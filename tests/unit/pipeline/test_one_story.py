"""All commands and the dashboard show the same of one workspace, whoever started what happened."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.drift_gate.component import DriftError
from components.image_example_gen.spans import WHOLE_FOLDER
from components.image_trainer.names import SERVING
from pipeline.cli import main
from pipeline.config.pipeline_config import load
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import Site
from pipeline.monitoring.dashboard.weeks import calendar
from pipeline.registry import lineage, live_model, read_files
from pipeline.registry.history import events
from pipeline.registry.journal import Journal
from pipeline.registry.models import load_models
from pipeline.registry.names import Decision, Outcome
from pipeline.registry.outcome import recording
from pipeline.registry.retention import clean
from pipeline.workspace import Workspace
from tests.recorded import Recorded, write_model


class Place:
    """A folder of images and a workspace that a person and a schedule use."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.data.mkdir()
        self.workspace = Workspace(folder / "workspace")
        self.workspace.folder.mkdir()
        self.journal = Journal(self.workspace.journal, str(self.data))
        self.recorded = Recorded(self.workspace.metadata, self.workspace.artifacts)
        self.config = load(overrides=[f"data.folder={self.data}"])
        self.nb_run = 0

    def arrive(self, *names):
        for name in names:
            (self.data / name).write_bytes(b"no image: only names, sizes and times count")

    def run(self, **options):
        """Does what `iadb run` does around the pipeline; returns the id and the Model."""
        self.nb_run += 1
        run_id, data = f"run-{self.nb_run:05}", self.config.data
        file = self.workspace.results / f"{run_id}.json"
        log = self.workspace.logs / f"{run_id}.log"
        with self.workspace.locked(), recording(self.workspace, file, log, [run_id]):
            found = {0: read_files.snapshot(data.folder, WHOLE_FOLDER)}
            model = self.recorded.run(**options)
            write_model(self.workspace.artifacts / "Trainer" / "model" / run_id / SERVING)
            if options.get("blessed", True) is None:
                raise DriftError("the images drifted")
            read_files.remember(self.journal, found)
            if options.get("blessed", True):
                self.recorded.push(model, self.workspace.serving)
        return run_id, model

    def iadb(self, *arguments):
        where = "--workspace", str(self.workspace.folder)
        result = CliRunner().invoke(main, [*map(str, arguments), *where])
        assert result.exit_code in (0, 5), result.output
        return result.output

    def json(self, *arguments):
        return json.loads(self.iadb(*arguments, "--json"))

    def overview(self):
        return collect(self.workspace)

    def text(self, page):
        site = Site(self.overview(), datetime.now().astimezone())
        return site.page(page).content.decode()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_what_a_person_ran_counts_as_read_everywhere(place):
    place.arrive("a.png", "b.png")
    spans = "spans", "--data", place.data
    assert [span["state"] for span in place.json(*spans)] == ["2 new"]
    place.run()
    assert [span["state"] for span in place.json(*spans)] == ["trained"]
    assert place.overview().trained == {0}
    output = place.iadb("run", "--if-new-data", "--data", place.data)
    assert output.splitlines()[-1] == "nothing new: no new images"
    place.arrive("c.png")
    assert [span["state"] for span in place.json(*spans)] == ["trained, 1 new"]


def test_what_a_failed_run_read_is_still_new_everywhere(place):
    place.arrive("a.png")
    with pytest.raises(DriftError):
        place.run(blessed=None)
    [span] = place.json("spans", "--data", place.data)
    assert span["state"] == "1 new"
    assert place.overview().trained == set()


def test_history_runs_models_and_dashboard_agree_on_what_happened(place):
    place.arrive("a.png")
    checked, first = place.run()
    number = place.journal.begin("schedule", {"text": "1 new image"}, datetime.now(timezone.utc))
    place.journal.claim(number, checked)
    end = datetime.now(timezone.utc)
    place.journal.end(number, Outcome.BLESSED, "", end, exit_code=0, tries=1)
    _, second = place.run()
    _, refused = place.run(blessed=False, reason="kid 0.3 exceeds 0.02", kid=0.3)
    with pytest.raises(DriftError):
        place.run(blessed=None)
    place.iadb("rollback", "--reason", "six fingers")
    unjudged = place.json("models")[-1]["number"]

    def told():
        listed = place.json("history")
        assert [each["outcome"] for each in listed] == [e.outcome for e in place.overview().events]
        # Sorted, since decisions are recorded to the second.
        return sorted((each["cause"], each["outcome"], each["models"]) for each in listed)

    story = [
        ("schedule", "blessed", [first]),
        ("run", "blessed", [second]),
        ("run", "not blessed", [refused]),
        ("run", "held", [unjudged]),
        ("rollback", "rolled back", [second]),
    ]
    assert told() == sorted(story)
    states = [model["withdrawn"] for model in place.json("models")]
    assert states[:3] == [None, "six fingers", None]
    rows = place.iadb("runs").splitlines()[1:]
    found = ["live, blessed", "withdrawn", "not blessed", "held"]
    assert all(state in row for state, row in zip(found, rows, strict=True)), rows
    runs = [(run["model"], run["verdict"], run["live"]) for run in place.json("runs")]
    verdicts = ("blessed", "withdrawn", "not blessed", "held")
    models = (first, second, refused, unjudged)
    assert runs == list(zip(models, verdicts, (True, False, False, False), strict=True))

    store = lineage.connect(place.workspace.metadata)
    [model] = store.get_artifacts_by_id([refused])
    with place.workspace.locked():
        live_model._bless(store, model, place.workspace.artifacts, "it looks better")
    place.recorded.push(refused, place.workspace.serving)
    assert told() == sorted([*story, ("promotion", "promoted", [refused])])
    assert "live, promoted" in place.iadb("runs").splitlines()[3]
    assert "live, promoted" in " ".join(place.iadb("models").split())
    assert f"Model {refused} is live" in place.text("index.html")
    days = [event for week in calendar(place.overview().events) for _, day in week for event in day]
    outcomes = {Outcome.BLESSED, Outcome.NOT_BLESSED, Outcome.HELD, *Decision}
    assert {event.outcome for event in days} == outcomes


def test_a_distillation_is_no_run_in_the_history(place):
    _, teacher = place.run()
    student = place.recorded.student(teacher, alone=True)
    listed = [(each["cause"], each["models"]) for each in place.json("history")]
    assert listed == [("run", [teacher]), ("distillation", [student])]
    assert "distillation" in place.text("history.html")


def test_a_model_that_a_person_trained_and_the_gate_rejected_is_for_review(place):
    place.run(blessed=False, reason="kid 0.3 exceeds 0.02", kid=0.3)
    text = place.text("index.html")
    assert "was not blessed" in text
    assert "iadb promote" in text
    place.run()
    assert "was not blessed" not in place.text("index.html")


def test_the_history_does_not_depend_on_what_retention_removes(place):
    place.arrive("a.png")
    for i in range(3):
        place.run(blessed=i != 1, reason=f"reason {i}")
    before = place.json("history"), place.iadb("runs"), place.text("history.html")
    options = load(overrides=["retention.logs=1", "retention.runs=1"])
    clean(place.workspace, options.retention)
    assert len(list(place.workspace.results.iterdir())) == 1
    assert (place.json("history"), place.iadb("runs"), place.text("history.html")) == before


def test_a_run_that_was_killed_is_cut_off_unless_it_is_the_newest(place):
    for _ in range(2):
        place.recorded.run(blessed=None)
    store = lineage.connect(place.workspace.metadata)
    found = events([], lineage.runs(store), load_models(store, place.workspace.serving))
    assert [event.outcome for event in found] == [None, None]
    text = place.text("history.html")
    assert text.index("running, or cut off") < text.index("… cut off")
    older, newer = (line.rstrip() for line in place.iadb("history").splitlines()[1:])
    assert older.endswith("cut off") and "running" not in older
    assert newer.endswith("running, or cut off")
    (alone,) = place.iadb("history", "--last", 1).splitlines()[1:]
    assert alone.rstrip() == newer


def test_a_run_that_was_killed_between_verdict_and_push_is_not_blessed(place):
    place.recorded.run(pushed=False)
    place.recorded.run()
    store = place.recorded.store
    pusher = max(store.get_executions(), key=lambda execution: execution.id)
    pusher.last_known_state = mlmd.Execution.RUNNING
    store.put_executions([pusher])
    assert [each["outcome"] for each in place.json("history")] == [None, None]


def test_a_run_that_was_recorded_before_results_were_is_judged_by_its_nodes(place):
    place.recorded.run()
    place.recorded.run(blessed=False, reason="kid 0.3 exceeds 0.02")
    outcomes = [(each["outcome"], each["message"]) for each in place.json("history")]
    assert outcomes == [
        ("blessed", "kid 0.01 is at most 0.02"),
        ("not blessed", "kid 0.3 exceeds 0.02"),
    ]


def test_of_the_runs_during_a_check_it_has_those_that_it_started(place):
    number = place.journal.begin("schedule", {}, datetime.now(timezone.utc) - timedelta(seconds=1))
    _, by_check = place.run()
    place.journal.claim(number, "run-00001")
    _, by_person = place.run()

    def told():
        return [(each["cause"], each["models"]) for each in place.json("history")]

    expected = [("schedule", [by_check]), ("run", [by_person])]
    assert told() == expected
    # The check is killed, and the next one finds that out.
    place.iadb("run", "--if-new-data", "--data", place.data)
    assert told()[:2] == expected
