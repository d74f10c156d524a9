"""Attempts, with a stand-in for the command `iadb` that ends as it is told."""

import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
import yaml

from pipeline.config import ConfigError, load
from pipeline.registry.journal import Journal, Outcome
from pipeline.unattended.attempt import attempt
from pipeline.workspace import Workspace
from tests.recorded import Recorded
from trainer.common import exit_codes

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=timezone.utc)
STAND_IN = """
import json, pathlib, sys, time
folder, arguments = pathlib.Path(sys.argv[1]), sys.argv[2:]
config = pathlib.Path(arguments[arguments.index("--config") + 1]).read_text()
calls = folder / "calls.json"
earlier = json.loads(calls.read_text()) if calls.exists() else []
calls.write_text(json.dumps([*earlier, [arguments, config]]))
code, line, seconds = json.loads((folder / "plan.json").read_text())[len(earlier)]
time.sleep(seconds)
print(line, file=sys.stderr)
sys.exit(code)
"""


class Unattended:
    """Attempts in one workspace; `plan` says how the runs end."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "data"
        self.workspace = Workspace(folder / "workspace")
        self.workspace.folder.mkdir()
        self.journal = Journal(self.workspace.journal)
        self.recorded = Recorded(self.workspace.metadata, self.workspace.artifacts)
        self.recorded.run(reason="kid 0.01 is at most 0.02")
        self.told = []
        self.now = NOW
        self.pattern = "data.pattern=span-{SPAN}"

    def put(self, span, *names):
        folder = self.data / f"span-{span}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or ("a.png", "b.png"):
            (folder / name).write_bytes(b"")

    def plan(self, *runs):
        (self.folder / "calls.json").unlink(missing_ok=True)
        ends = [(code, *(rest or ["iadb: no reason"]), 0)[:3] for code, *rest in runs]
        (self.folder / "plan.json").write_text(json.dumps(ends))

    @property
    def calls(self):
        calls = self.folder / "calls.json"
        return (
            [arguments for arguments, _ in json.loads(calls.read_text())] if calls.exists() else []
        )

    def attempt(self, *overrides):
        fixed = [f"data.folder={self.data}", self.pattern, "schedule.retry_wait_seconds=0"]
        return attempt(
            load(overrides=[*fixed, "schedule.min_free_gb=0", *overrides]),
            self.workspace,
            cause="check",
            tell=self.told.append,
            now=lambda: self.now,
            iadb=[sys.executable, "-c", STAND_IN, str(self.folder)],
        )


@pytest.fixture
def unattended(tmp_path):
    return Unattended(tmp_path)


def settings(arguments):
    return [text.removeprefix("--set=") for text in arguments if text.startswith("--set=")]


def test_new_data_lead_to_a_run_and_the_same_data_to_none(unattended):
    unattended.put(1)
    unattended.plan((0,))
    first = unattended.attempt()
    assert (first.outcome, first.exit_code, first.tries) == (Outcome.BLESSED, 0, 1)
    assert first.message == "2 new images in span 1; kid 0.01 is at most 0.02"
    assert (first.started, first.ended, first.cause) == (NOW, NOW, "check")
    assert unattended.told == ["2 new images in span 1"]
    second = unattended.attempt()
    assert (second.outcome, second.exit_code, second.tries) == (Outcome.NOTHING_NEW, 0, 0)
    assert second.message == "no new images, the newest span is 1"
    assert unattended.journal.attempts() == [first, second]


def test_the_run_gets_the_resolved_configuration_and_reads_what_was_looked_at(unattended):
    unattended.put(1)
    unattended.plan((0,))
    unattended.attempt("train.steps=123")
    [[arguments, config]] = json.loads((unattended.folder / "calls.json").read_text())
    assert arguments[0] == "run"
    assert arguments[3:5] == ["--workspace", str(unattended.workspace.folder)]
    assert settings(arguments) == ["data.span=1"]
    assert yaml.safe_load(config)["train"]["steps"] == 123


def test_a_model_that_is_not_blessed_is_no_failure_and_its_data_are_done_with(unattended):
    unattended.put(1)
    unattended.plan((exit_codes.NOT_BLESSED,))
    first = unattended.attempt()
    assert (first.outcome, first.exit_code) == (Outcome.NOT_BLESSED, exit_codes.NOT_BLESSED)
    assert unattended.attempt().outcome == Outcome.NOTHING_NEW


def test_a_run_that_fails_is_tried_again_and_then_told_with_its_own_line(unattended):
    unattended.put(1)
    unattended.plan((1, "iadb: first"), (137,), (1, "iadb: the disk broke"))
    ended = unattended.attempt()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.FAILED, 1, 3)
    assert ended.message == "2 new images in span 1; the disk broke (3 tries)"
    unattended.plan((1,), (0,))
    ended = unattended.attempt()
    assert (ended.outcome, ended.tries) == (Outcome.BLESSED, 2)


def test_wrong_usage_is_not_tried_again(unattended):
    unattended.put(1)
    unattended.plan((exit_codes.USAGE, "iadb: train.stepz: unknown key"))
    ended = unattended.attempt()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.FAILED, exit_codes.USAGE, 1)


@pytest.mark.parametrize("code", [exit_codes.DATA, exit_codes.HELD])
def test_new_spans_with_wrong_data_are_held_and_later_ones_go_on_without_them(unattended, code):
    unattended.put(1)
    unattended.plan((0,))
    unattended.attempt()
    unattended.put(2)
    unattended.plan((code, "iadb: 9 of 9 files are rejected"))
    held = unattended.attempt("data.window=2")
    assert (held.outcome, held.exit_code, held.tries) == (Outcome.HELD, exit_codes.HELD, 1)
    assert held.message == (
        "2 new images in span 2; held: 9 of 9 files are rejected; `iadb spans release 2` lets "
        "them in"
    )
    assert unattended.attempt("data.window=2").outcome == Outcome.NOTHING_NEW
    unattended.put(3)
    unattended.plan((0,))
    assert unattended.attempt("data.window=2").outcome == Outcome.BLESSED
    assert settings(unattended.calls[0]) == ["data.span=3", "data.exclude=[2]"]
    unattended.journal.release(2, NOW)
    unattended.plan((0,))
    assert unattended.attempt("data.window=2").outcome == Outcome.BLESSED
    assert settings(unattended.calls[0]) == ["data.span=3"]


def test_a_held_folder_without_spans_waits_as_a_whole(unattended):
    unattended.pattern = "data.pattern=''"
    unattended.put(1)
    unattended.plan((exit_codes.DATA, "iadb: anomalies"))
    assert unattended.attempt().outcome == Outcome.HELD
    unattended.put(2)
    again = unattended.attempt()
    assert (again.outcome, again.exit_code, again.tries) == (Outcome.HELD, exit_codes.HELD, 0)
    assert "`iadb spans release 0` lets it in" in again.message


def test_a_run_waits_for_enough_images_but_not_beyond_the_age_of_the_model(unattended):
    model = unattended.recorded.run()
    unattended.recorded.push(model, unattended.workspace.serving)
    unattended.put(1)
    overrides = ("schedule.min_new_images=3", "schedule.max_model_age_days=7")
    unattended.now = datetime.now(timezone.utc) + timedelta(days=6)
    few = unattended.attempt(*overrides)
    assert (few.outcome, few.exit_code) == (Outcome.TOO_FEW, 0)
    assert few.message.endswith("; a run waits for schedule.min_new_images=3")
    unattended.now += timedelta(days=2)
    unattended.plan((0,))
    assert unattended.attempt(*overrides).outcome == Outcome.BLESSED
    unattended.now += timedelta(days=90)
    assert unattended.attempt(*overrides).outcome == Outcome.NOTHING_NEW


def test_a_run_that_is_stuck_is_ended_and_not_tried_again(unattended):
    unattended.put(1)
    unattended.plan((0, "", 600))
    ended = unattended.attempt("schedule.timeout_hours=0.0005")
    assert (ended.outcome, ended.exit_code) == (Outcome.TIMED_OUT, exit_codes.TIMED_OUT)
    assert ended.tries == 1


def test_an_attempt_gives_way_to_a_run_of_a_person(unattended):
    unattended.put(1)
    unattended.plan((0,))
    with unattended.workspace.locked():
        ended = unattended.attempt()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.BUSY, exit_codes.WORKSPACE, 0)
    assert f"in use by process {os.getpid()}" in ended.message
    assert unattended.attempt().outcome == Outcome.BLESSED


def test_of_two_attempts_at_once_one_gives_way(unattended):
    unattended.put(1)
    with unattended.workspace.attempting():
        ended = unattended.attempt()
    assert (ended.outcome, ended.exit_code) == (Outcome.BUSY, exit_codes.WORKSPACE)


def test_an_attempt_that_was_killed_is_told_by_the_next(unattended):
    unattended.put(1)
    number = unattended.journal.begin("schedule", {}, NOW)
    unattended.plan((0,))
    assert unattended.attempt().outcome == Outcome.BLESSED
    assert unattended.told[0] == f"attempt {number} of 2026-03-01 03:00 was cut off"
    assert unattended.journal.attempt(number).outcome == Outcome.INTERRUPTED
    unattended.told.clear()
    unattended.attempt()
    assert unattended.told == []


def test_an_attempt_that_was_killed_is_given_the_runs_since_that_no_other_has(unattended):
    unattended.put(1)
    number = unattended.journal.begin("schedule", {}, datetime.now(timezone.utc))
    time.sleep(0.01)  # ML Metadata cuts off what is less than a millisecond
    unattended.recorded.run()
    unattended.plan((0,))
    unattended.now = datetime.now(timezone.utc)
    unattended.attempt()
    assert unattended.journal.attempt(number).runs == ("run-00002",)


def test_nothing_starts_on_a_disk_that_is_nearly_full(unattended):
    unattended.put(1)
    ended = unattended.attempt("schedule.min_free_gb=1000000")
    assert (ended.outcome, ended.exit_code, ended.tries) == (
        Outcome.FAILED,
        exit_codes.WORKSPACE,
        0,
    )
    assert "GB of disk space are free" in ended.message


def test_a_missing_folder_is_recorded_as_a_failure(unattended):
    ended = unattended.attempt("data.folder=/no/such/folder")
    assert (ended.outcome, ended.exit_code) == (Outcome.FAILED, exit_codes.DATA)
    with pytest.raises(ConfigError, match="not set"):
        unattended.attempt("data.folder=null")


CHALLENGED = ("train.warm_start=true", "schedule.challenger_every=3")


def test_every_third_training_has_a_challenger_from_scratch(unattended):
    unattended.plan(*[(0,)] * 9)
    challenged = []
    for span in range(1, 7):
        unattended.put(span)
        challenged.append(unattended.attempt(*CHALLENGED).from_scratch)
    assert challenged == [False, False, True, False, False, True]
    settings_of_challenger = settings(unattended.calls[3])
    assert settings_of_challenger == [
        "data.span=3",
        "train.warm_start=false",
        "evaluate.require_improvement=true",
    ]


@pytest.mark.parametrize(
    ("warm", "scratch", "outcome"),
    [(0, 5, Outcome.BLESSED), (5, 0, Outcome.BLESSED), (5, 5, Outcome.NOT_BLESSED)],
)
def test_the_better_of_the_two_goes_on(unattended, warm, scratch, outcome):
    unattended.put(1)
    unattended.plan((warm,), (scratch,))
    ended = unattended.attempt("train.warm_start=true", "schedule.challenger_every=1")
    assert (ended.outcome, ended.from_scratch) == (outcome, True)
    assert "from scratch: " + ("blessed" if scratch == 0 else "not blessed") in ended.message


def test_a_challenger_that_fails_takes_nothing_from_the_first_model(unattended):
    unattended.put(1)
    unattended.plan((0,), (exit_codes.DATA, "iadb: no memory"))
    ended = unattended.attempt("train.warm_start=true", "schedule.challenger_every=1")
    assert (ended.outcome, ended.from_scratch) == (Outcome.BLESSED, False)
    assert ended.message.endswith("; from scratch: failed, no memory")
    assert unattended.journal.held_spans() == {}


def test_without_a_warm_start_there_is_nothing_to_challenge(unattended):
    unattended.put(1)
    unattended.plan((0,))
    assert not unattended.attempt("schedule.challenger_every=1").from_scratch


def test_data_that_drifted_have_a_challenger_where_that_is_asked_for(unattended):
    unattended.recorded.run(drifted=True)
    unattended.put(1)
    unattended.plan((0,), (5,))
    overrides = ("train.warm_start=true", "schedule.challenger_on_drift=true")
    assert unattended.attempt(*overrides).from_scratch


def test_what_a_person_released_is_not_held_for_drift_again(unattended):
    unattended.put(1)
    unattended.journal.hold(1, "the images drifted", NOW)
    unattended.journal.release(1, NOW)
    unattended.plan((0,), (0,))
    unattended.attempt("drift.on_drift=hold")
    assert settings(unattended.calls[0]) == ["data.span=1", "drift.on_drift=warn"]
    unattended.put(2)
    unattended.attempt("drift.on_drift=hold")
    assert settings(unattended.calls[1]) == ["data.span=2"]
