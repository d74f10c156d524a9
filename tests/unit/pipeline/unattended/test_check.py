"""Checks for new data, with a stand-in for the command `iadb` that ends as planned."""

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
import yaml

from pipeline.config.pipeline_config import ConfigError, load
from pipeline.monitoring import webhook
from pipeline.registry import models
from pipeline.registry.journal import Journal, Outcome
from pipeline.unattended.check import check
from pipeline.workspace import InUseError, Workspace
from tests.recorded import Recorded
from tests.small_disk import needs_mount, on_disk
from tests.webhook import Webhook
from trainer.common import exit_codes

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=timezone.utc)
STAND_IN = """
import json, pathlib, sys, time, yaml
from pipeline.config.sections import DataConfig, find_sources
from pipeline.registry import read_files
from pipeline.registry.journal import Journal
folder, arguments = pathlib.Path(sys.argv[1]), sys.argv[2:]
config = pathlib.Path(arguments[arguments.index("--config") + 1]).read_text()
calls = folder / "calls.json"
earlier = json.loads(calls.read_text()) if calls.exists() else []
calls.write_text(json.dumps([*earlier, [arguments, config]]))
plan = json.loads((folder / "plan.json").read_text())
code, line, seconds = plan["ends"][len(earlier)]
number = next(int(text.removeprefix("--check=")) for text in arguments if "--check=" in text)
Journal(folder / "workspace" / "journal.sqlite").claim(number, f"run-{len(earlier)}")
data = yaml.safe_load(config)["data"]
for text in arguments:
    key, _, value = text.removeprefix("--set=data.").partition("=")
    data |= {key: yaml.safe_load(value)} if text.startswith("--set=data.") else {}
images, *_ = find_sources(DataConfig(**data))
found = read_files.snapshots(images, images.listing())
time.sleep(seconds)
if code in (0, 5):
    journal = Journal(folder / "workspace" / "journal.sqlite", data["folder"])
    read_files.remember(journal, found)
outcome = {0: "blessed", 5: "not blessed"}.get(code, "failed")
if outcome != "failed" or plan["result"]:
    file = next(text.removeprefix("--result=") for text in arguments if "--result=" in text)
    result = {"outcome": outcome, "exit_code": code, "message": "kid 0.01 is at most 0.02"}
    times = dict.fromkeys(("started", "ended"), "2026-03-01T03:00:00Z")
    pathlib.Path(file).write_text(json.dumps(result | times | plan["result"]))
print(line, file=sys.stderr)
sys.exit(code)
"""

# Fills the disk, as a run may, and ends like one.
FILL = """
import itertools, pathlib, sys
try:
    for number in itertools.count():
        pathlib.Path(sys.argv[1], f"filler-{number}").write_bytes(bytes(1024))
except OSError:
    print("iadb: the disk is full: /somewhere", file=sys.stderr)
    sys.exit(4)
"""
# Two checks in a process with a disk of its own: one whose run fills the disk, one on a full disk.
CHECKS = """
import pathlib, sys
from pipeline.config.pipeline_config import load
from pipeline.failures import say
from pipeline.registry.journal import Journal
from pipeline.unattended.check import check
from pipeline.workspace import Workspace
from tests.small_disk import filled

folder, data, fill = sys.argv[1:]
folder = pathlib.Path(folder)
workspace = Workspace(folder)
options = ("schedule.min_free_gb=0", "schedule.retries=1", "schedule.retry_wait_seconds=0")
config = load(overrides=[f"data.folder={data}", *options])
command = [sys.executable, "-c", fill, str(folder)]

def ended():
    one = check(config, workspace, cause="check", report=say, iadb=command)
    return one.number, str(one.outcome), one.exit_code, one.message

print(ended())
for file in folder.glob("filler-*"):
    file.unlink()
with filled(folder):
    print(ended())
for one in Journal(workspace.journal).attempts():
    print((one.number, str(one.outcome), one.exit_code, one.message))
"""


class Unattended:
    """Checks in one workspace.

    `plan` sets how the runs end: with exit code, last line and seconds, and with a result. One that
    is judged always writes a result, another one only if fields of it are given.
    """

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "data"
        self.workspace = Workspace(folder / "workspace")
        self.workspace.folder.mkdir()
        self.journal = Journal(self.workspace.journal, str(self.data))
        self.recorded = Recorded(self.workspace.metadata, self.workspace.artifacts)
        self.recorded.run()
        self.reported = []
        self.now = NOW
        self.pattern = "data.pattern=span-{SPAN}"

    def put(self, span, *names):
        folder = self.data / f"span-{span}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or ("a.png", "b.png"):
            (folder / name).write_bytes(b"")

    def plan(self, *runs, **result):
        (self.folder / "calls.json").unlink(missing_ok=True)
        ends = [(code, *(rest or ["iadb: no reason"]), 0)[:3] for code, *rest in runs]
        (self.folder / "plan.json").write_text(json.dumps({"ends": ends, "result": result}))

    @property
    def calls(self):
        calls = self.folder / "calls.json"
        return (
            [arguments for arguments, _ in json.loads(calls.read_text())] if calls.exists() else []
        )

    def check(self, *overrides):
        fixed = [f"data.folder={self.data}", self.pattern, "schedule.retry_wait_seconds=0"]
        return check(
            load(overrides=[*fixed, "schedule.min_free_gb=0", *overrides]),
            self.workspace,
            cause="check",
            report=self.reported.append,
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
    first = unattended.check()
    assert (first.outcome, first.exit_code, first.tries) == (Outcome.BLESSED, 0, 1)
    assert first.message == "2 new images in span 1; kid 0.01 is at most 0.02"
    assert (first.started, first.ended, first.cause) == (NOW, NOW, "check")
    assert unattended.reported == ["2 new images in span 1"]
    second = unattended.check()
    assert (second.outcome, second.exit_code, second.tries) == (Outcome.NOTHING_NEW, 0, 0)
    assert second.message == "no new images, the newest span is 1"
    assert unattended.journal.attempts() == [first, second]


def test_the_run_gets_the_resolved_configuration_and_reads_what_was_looked_at(unattended):
    unattended.put(1)
    unattended.plan((0,))
    unattended.check("train.steps=123")
    [[arguments, config]] = json.loads((unattended.folder / "calls.json").read_text())
    assert arguments[0] == "run"
    assert arguments[3:5] == ["--workspace", str(unattended.workspace.folder)]
    assert settings(arguments) == ["data.span=1"]
    assert yaml.safe_load(config)["train"]["steps"] == 123


def test_a_model_that_is_not_blessed_is_no_failure_and_its_data_are_done_with(unattended):
    unattended.put(1)
    unattended.plan((exit_codes.NOT_BLESSED,))
    first = unattended.check()
    assert (first.outcome, first.exit_code) == (Outcome.NOT_BLESSED, exit_codes.NOT_BLESSED)
    assert unattended.check().outcome == Outcome.NOTHING_NEW


def test_a_run_that_fails_is_retried_and_then_reported_with_its_own_line(unattended):
    unattended.put(1)
    unattended.plan((1, "iadb: first"), (137,), (1, "iadb: the disk broke"))
    ended = unattended.check()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.FAILED, 1, 3)
    assert ended.message == "2 new images in span 1; the disk broke (3 tries)"
    unattended.plan((1,), (0,))
    ended = unattended.check()
    assert (ended.outcome, ended.tries) == (Outcome.BLESSED, 2)


def test_the_result_that_a_run_leaves_counts_more_than_its_last_line(unattended):
    unattended.put(1)
    unattended.plan((1, "iadb: Exception ignored in: a thread"), message="the loss is nan")
    ended = unattended.check("schedule.retries=0")
    assert (ended.outcome, ended.exit_code, ended.runs) == (Outcome.FAILED, 1, ("run-0",))
    assert ended.message == "2 new images in span 1; the loss is nan"


def test_a_check_has_the_runs_of_its_tries_and_of_those_that_were_killed(unattended):
    unattended.put(1)
    unattended.plan((137,), (137,), (0,))
    ended = unattended.check()
    assert (ended.outcome, ended.tries, ended.runs) == (
        Outcome.BLESSED,
        3,
        ("run-0", "run-1", "run-2"),
    )


def test_a_check_does_not_claim_a_run_that_a_person_started_meanwhile(unattended):
    unattended.put(1)
    unattended.plan((137, "", 1))

    def record():
        while not unattended.journal.attempts()[-1].runs:
            time.sleep(0.01)
        assert unattended.journal.attempts()[-1].runs == ("run-0",)
        unattended.recorded.run()

    person = threading.Thread(target=record)
    person.start()
    ended = unattended.check("schedule.retries=0")
    person.join()
    assert ended.runs == ("run-0",)


def test_the_webhook_gets_the_results_of_the_runs(unattended, monkeypatch):
    posted = []
    monkeypatch.setenv("IADB_WEBHOOK", "https://example.com")
    monkeypatch.setattr(webhook, "post", lambda _, payload: posted.append(payload))
    unattended.put(1)
    unattended.plan((0,), model=12, version=3)
    unattended.check()
    [[result]] = [payload["results"] for payload in posted]
    assert (result["outcome"], result["model"], result["version"]) == ("blessed", 12, 3)


def test_wrong_usage_is_not_retried(unattended):
    unattended.put(1)
    unattended.plan((exit_codes.USAGE, "iadb: train.stepz: unknown key"))
    ended = unattended.check()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.FAILED, exit_codes.USAGE, 1)


@pytest.mark.parametrize("code", [exit_codes.DATA, exit_codes.HELD])
def test_new_spans_with_wrong_data_are_held_and_later_ones_go_on_without_them(unattended, code):
    unattended.put(1)
    unattended.plan((0,))
    unattended.check()
    unattended.put(2)
    unattended.plan((code, "iadb: 9 of 9 files are rejected"))
    held = unattended.check("data.window=2")
    assert (held.outcome, held.exit_code, held.tries) == (Outcome.HELD, exit_codes.HELD, 1)
    assert held.message == (
        "2 new images in span 2; held: 9 of 9 files are rejected; to accept: `iadb spans release 2`"
    )
    assert unattended.check("data.window=2").outcome == Outcome.NOTHING_NEW
    unattended.put(3)
    unattended.plan((0,))
    assert unattended.check("data.window=2").outcome == Outcome.BLESSED
    assert settings(unattended.calls[0]) == ["data.span=3", "data.exclude=[2]"]
    unattended.journal.release(2, NOW)
    unattended.plan((0,))
    assert unattended.check("data.window=2").outcome == Outcome.BLESSED
    accepted = ["validation.on_anomaly=warn", "data.max_rejected=1"]
    assert settings(unattended.calls[0]) == ["data.span=3", *accepted]


@pytest.mark.parametrize(("at_fault", "held"), [({}, 3), ({"wrong_span": 2}, 2)])
def test_of_several_new_spans_the_one_at_fault_is_held_or_else_the_newest(
    unattended, at_fault, held
):
    for span in (1, 2, 3):
        unattended.put(span)
    unattended.plan((exit_codes.DATA,), (0,), **at_fault)
    ended = unattended.check("data.window=0")
    assert ended.outcome == Outcome.HELD
    assert f"; span {held} is held: " in ended.message
    assert ended.message.endswith(f"to accept: `iadb spans release {held}`")
    assert unattended.journal.unreleased() == [held]
    assert unattended.check("data.window=0").outcome == Outcome.BLESSED
    assert f"data.exclude=[{held}]" in settings(unattended.calls[1])


def test_images_that_are_only_too_few_fail_and_are_not_held(unattended):
    unattended.put(1)
    unattended.plan((exit_codes.DATA,), (0,), hold=False)
    ended = unattended.check()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.FAILED, exit_codes.DATA, 1)
    assert unattended.journal.unreleased() == []
    unattended.put(2)
    assert unattended.check("data.window=2").outcome == Outcome.BLESSED


def test_a_span_that_is_asked_for_and_held_is_named_as_held(unattended):
    unattended.put(1)
    unattended.put(2)
    unattended.journal.hold(2, "they drifted", NOW)
    ended = unattended.check("data.span=2")
    assert (ended.outcome, ended.exit_code) == (Outcome.HELD, exit_codes.HELD)
    assert "held (see `iadb spans`): 2" in ended.message


def test_files_of_which_none_can_be_read_are_a_failure(unattended):
    unattended.data.mkdir()
    overrides = ["data.pattern=''"]
    assert unattended.check(*overrides).outcome == Outcome.NOTHING_NEW
    (unattended.data / "1.heic").touch()
    ended = unattended.check(*overrides)
    assert (ended.outcome, ended.exit_code) == (Outcome.FAILED, exit_codes.DATA)
    assert "found 1 .heic" in ended.message


def test_a_folder_that_waits_for_its_images_is_neither_read_nor_in_the_way(unattended):
    unattended.put(1)
    (unattended.data / "span-2").mkdir()
    unattended.plan((0,))
    assert unattended.check().outcome == Outcome.BLESSED
    assert settings(unattended.calls[0]) == ["data.span=1", "data.exclude=[2]"]
    assert unattended.check().outcome == Outcome.NOTHING_NEW
    unattended.put(2)
    unattended.plan((0,))
    assert unattended.check().outcome == Outcome.BLESSED
    assert settings(unattended.calls[0]) == ["data.span=2"]


def test_images_that_are_gone_are_a_failure_and_not_held(unattended):
    unattended.put(1)
    unattended.plan((0,))
    unattended.check()
    shutil.rmtree(unattended.data / "span-1")
    (unattended.data / "span-1").mkdir()
    ended = unattended.check()
    assert (ended.outcome, ended.exit_code) == (Outcome.FAILED, exit_codes.DATA)
    assert "there are no images any more, of 2 files that runs have read; is the" in ended.message


def test_new_spans_are_not_held_for_a_folder_that_is_missing(unattended):
    unattended.put(1)
    unattended.plan((exit_codes.DATA, "iadb: holdout: no such folder"), (0,))
    missing = unattended.check(f"data.holdout={unattended.folder / 'holdout'}")
    assert (missing.outcome, missing.exit_code) == (Outcome.FAILED, exit_codes.DATA)
    assert unattended.journal.held_spans() == {}
    assert unattended.check().outcome == Outcome.BLESSED


def test_what_a_run_that_was_stopped_has_written_is_kept(unattended, monkeypatch):
    cleaned = []
    monkeypatch.setattr("pipeline.unattended.check.clean", lambda *_: cleaned.append(1) or [])
    unattended.put(1)
    unattended.plan((exit_codes.INTERRUPTED, "iadb: interrupted"), (0,))
    unattended.check("schedule.retries=0")
    assert not cleaned
    assert unattended.check().outcome == Outcome.BLESSED
    assert cleaned


def test_a_held_folder_without_spans_waits_as_a_whole(unattended):
    unattended.pattern = "data.pattern=''"
    unattended.put(1)
    unattended.plan((exit_codes.DATA, "iadb: anomalies"))
    assert unattended.check().outcome == Outcome.HELD
    unattended.put(2)
    again = unattended.check()
    assert (again.outcome, again.exit_code, again.tries) == (Outcome.HELD, exit_codes.HELD, 0)
    assert again.message.endswith("; to accept: `iadb spans release 0`")


def test_a_run_waits_for_enough_images_but_not_beyond_the_age_of_the_model(unattended):
    model = unattended.recorded.run()
    unattended.recorded.push(model, unattended.workspace.serving)
    unattended.put(1)
    overrides = ("schedule.min_new_images=3", "schedule.max_model_age_days=7")
    unattended.now = datetime.now(timezone.utc) + timedelta(days=6)
    few = unattended.check(*overrides)
    assert (few.outcome, few.exit_code) == (Outcome.TOO_FEW, 0)
    assert few.message.endswith("; a run waits for schedule.min_new_images=3")
    unattended.now += timedelta(days=2)
    unattended.plan((0,))
    assert unattended.check(*overrides).outcome == Outcome.BLESSED
    unattended.now += timedelta(days=90)
    assert unattended.check(*overrides).outcome == Outcome.NOTHING_NEW


def test_a_student_is_as_old_as_its_teacher(unattended, monkeypatch):
    teacher = unattended.recorded.run()
    student = unattended.recorded.student(teacher, alone=True)
    unattended.recorded.push(student, unattended.workspace.serving)
    unattended.put(1)
    unattended.now = datetime.now(timezone.utc)
    overrides = ("schedule.min_new_images=3", "schedule.max_model_age_days=7")
    assert unattended.check(*overrides).outcome == Outcome.TOO_FEW

    def load_models(*arguments):
        return [
            replace(model, trained=model.trained - timedelta(days=8 * (model.number == teacher)))
            for model in models.load_models(*arguments)
        ]

    monkeypatch.setattr("pipeline.unattended.check.load_models", load_models)
    unattended.plan((0,))
    assert unattended.check(*overrides).outcome == Outcome.BLESSED


def test_a_run_that_is_stuck_is_terminated_and_not_retried(unattended):
    unattended.put(1)
    unattended.plan((0, "", 600))
    ended = unattended.check("schedule.timeout_hours=0.0005")
    assert (ended.outcome, ended.exit_code) == (Outcome.TIMED_OUT, exit_codes.TIMED_OUT)
    assert ended.tries == 1


def test_a_check_is_skipped_while_a_person_runs_the_pipeline(unattended):
    unattended.put(1)
    unattended.plan((0,))
    with unattended.workspace.locked():
        ended = unattended.check()
    assert (ended.outcome, ended.exit_code, ended.tries) == (Outcome.BUSY, exit_codes.WORKSPACE, 0)
    assert f"in use by process {os.getpid()}" in ended.message
    assert unattended.check().outcome == Outcome.BLESSED


def test_of_two_checks_at_once_one_is_skipped(unattended):
    unattended.put(1)
    with unattended.workspace.checking():
        ended = unattended.check()
    assert (ended.outcome, ended.exit_code) == (Outcome.BUSY, exit_codes.WORKSPACE)


def test_a_check_that_was_killed_is_reported_by_the_next(unattended):
    unattended.put(1)
    number = unattended.journal.begin("schedule", {}, NOW)
    unattended.plan((0,))
    assert unattended.check().outcome == Outcome.BLESSED
    assert unattended.reported[0] == f"check {number} of 2026-03-01 03:00 was cut off"
    assert unattended.journal.attempts()[number - 1].outcome == Outcome.INTERRUPTED
    unattended.reported.clear()
    unattended.check()
    assert unattended.reported == []


def test_a_check_that_was_killed_keeps_its_runs_and_no_others(unattended):
    unattended.put(1)
    number = unattended.journal.begin("schedule", {}, NOW)
    unattended.journal.claim(number, "run-8")
    unattended.recorded.run()  # by a person
    unattended.plan((0,))
    unattended.check()
    assert unattended.journal.attempts()[number - 1].runs == ("run-8",)


def test_a_check_is_recorded_before_another_one_may_begin(unattended, monkeypatch):
    unattended.put(1)
    unattended.plan((0,))
    end = Journal.end

    def end_and_try_the_lock(*arguments, **values):
        with pytest.raises(InUseError), unattended.workspace.checking():
            pass
        end(*arguments, **values)

    monkeypatch.setattr(Journal, "end", end_and_try_the_lock)
    assert unattended.check().outcome == Outcome.BLESSED


def test_a_check_on_a_disk_that_is_nearly_full_cleans_and_starts_nothing(unattended, monkeypatch):
    recorded_before = []

    def clean(*_):
        recorded_before.append(bool(unattended.journal.attempts()))
        return []

    monkeypatch.setattr("pipeline.unattended.check.clean", clean)
    unattended.put(1)
    ended = unattended.check("schedule.min_free_gb=1000000")
    assert (ended.outcome, ended.exit_code) == (Outcome.FAILED, exit_codes.WORKSPACE)
    assert "GB of disk space are free" in ended.message
    assert (ended.tries, recorded_before) == (0, [False])


def check_on_small_disk(folder, run):
    """What CHECKS prints, what it posts as number, outcome, code and message, and its errors."""
    (folder / "data").mkdir()
    (folder / "data" / "a.png").write_bytes(b"")
    workspace, server = folder / "workspace", Webhook(200)
    program = [sys.executable, "-c", CHECKS, workspace, folder / "data", run]
    result = subprocess.run(
        on_disk(workspace, "size=1m", program),
        env=os.environ | {"IADB_WEBHOOK": server.url},
        capture_output=True,
        text=True,
    )
    server.close()
    fields = ("number", "outcome", "exit_code", "message")
    posted = [tuple(map(payload["attempt"].get, fields)) for payload in server.received]
    printed = [ast.literal_eval(line) for line in result.stdout.splitlines() if line[0] == "("]
    return printed, posted, result.stdout + result.stderr


@needs_mount
def test_a_disk_that_fills_up_is_reported_and_recorded_with_its_cause(tmp_path):
    printed, posted, output = check_on_small_disk(tmp_path, FILL)
    journal = f"{tmp_path}/workspace/journal.sqlite"
    filled_up = (1, "failed", 4, "1 new image; the disk is full: /somewhere (2 tries)")
    was_full = (0, "failed", 4, f"the disk is full: {journal}; free some space")
    assert printed == [filled_up, was_full, filled_up]
    assert posted == [filled_up, was_full]
    assert output.count("iadb: the disk is full: /somewhere\n") == 2


@needs_mount
def test_a_check_that_the_journal_cannot_record_keeps_its_outcome_and_is_reported(tmp_path):
    without_reserve = 'import os; os.unlink(f"{sys.argv[1]}/journal.reserve")\n'
    run = FILL.replace("try:", f"{without_reserve}try:").replace("sys.exit(4)", "sys.exit(0)")
    printed, posted, output = check_on_small_disk(tmp_path, run)
    problem = f"the disk is full: {tmp_path}/workspace/journal.sqlite; free some space"
    ended = (1, "blessed", 0, "1 new image; the disk is full: /somewhere")
    assert printed[0] == posted[0] == ended
    assert printed[2:] == [(1, "None", None, "")]
    assert f"the journal cannot record this check: {problem}\n" in output


def test_a_missing_folder_is_recorded_as_a_failure(unattended):
    ended = unattended.check("data.folder=/no/such/folder")
    assert (ended.outcome, ended.exit_code) == (Outcome.FAILED, exit_codes.DATA)
    with pytest.raises(ConfigError, match="not set"):
        unattended.check("data.folder=null")


def check_what_was_released(unattended):
    """Checks a span that was held for drift and released by a person; one more run is planned."""
    unattended.put(1)
    unattended.journal.hold(1, "the images drifted", NOW)
    unattended.journal.release(1, NOW)
    unattended.plan((0,), (0,))
    unattended.check("drift.on_drift=hold")


def test_what_a_person_released_is_not_held_for_drift_again(unattended):
    check_what_was_released(unattended)
    accepted = ["drift.on_drift=warn", "validation.on_anomaly=warn", "data.max_rejected=1"]
    assert settings(unattended.calls[0]) == ["data.span=1", *accepted]
    unattended.put(2)
    unattended.check("drift.on_drift=hold")
    assert settings(unattended.calls[1]) == ["data.span=2"]


def test_a_release_of_data_that_are_gone_is_used_up_by_the_next_check(unattended):
    unattended.put(1)
    unattended.plan((0,), (0,))
    unattended.check("drift.on_drift=hold")
    unattended.journal.hold(1, "20 of 60 files are rejected", NOW)
    unattended.journal.release(1, NOW)
    assert unattended.check("drift.on_drift=hold").outcome == Outcome.NOTHING_NEW
    unattended.put(1, "weeks_later.png")
    unattended.check("drift.on_drift=hold")
    assert settings(unattended.calls[1]) == ["data.span=1"]


def test_what_comes_after_released_data_were_read_is_held_for_drift(unattended):
    check_what_was_released(unattended)
    unattended.put(1, "late.png")
    unattended.check("drift.on_drift=hold")
    assert settings(unattended.calls[1]) == ["data.span=1"]
