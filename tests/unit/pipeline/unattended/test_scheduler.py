"""The scheduler, which starts a stand-in for `iadb run --if-new-data`."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.unattended.cron import CronError
from pipeline.unattended.scheduler import JOB, Plan, make_trigger
from pipeline.workspace import Workspace
from trainer.common import exit_codes

NIGHTLY = "0 3 * * *"
SCHEDULER = """
import pathlib, sys
from pipeline.unattended.scheduler import Plan, run_scheduler
from pipeline.workspace import Workspace

folder, jitter, *command = sys.argv[1:]
plan = Plan("0 3 * * *", jitter=int(jitter), misfire_grace=3600)
run_scheduler(Workspace(pathlib.Path(folder)), command, plan, print)
"""
APPEND = "import sys; open(sys.argv[1], 'a').write('.')"
WORK = """
import pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path(sys.argv[1]).write_text("saved")
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def due(plan, after, count=3):
    """The next times of a plan, in its zone."""
    trigger, found = make_trigger(plan), []
    for _ in range(count):
        after = trigger.get_next_fire_time(after if found else None, after)
        found.append(after)
        after += timedelta(microseconds=1)
    return [f"{time:%a %d %H:%M}" for time in found]


MONDAY = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        (NIGHTLY, ["Tue 02 03:00", "Wed 03 03:00", "Thu 04 03:00"]),
        ("30 6 * * 0", ["Sun 07 06:30", "Sun 14 06:30", "Sun 21 06:30"]),
        ("30 6 * * mon-tue", ["Tue 02 06:30", "Mon 08 06:30", "Tue 09 06:30"]),
        ("0 0 4 * fri", ["Thu 04 00:00", "Fri 05 00:00", "Fri 12 00:00"]),
        ("*/20 13 * * *", ["Mon 01 13:00", "Mon 01 13:20", "Mon 01 13:40"]),
    ],
)
def test_a_cron_expression_is_due_when_cron_says(cron, times):
    assert due(Plan(cron), MONDAY) == times


def test_times_are_those_of_the_zone():
    zone = ZoneInfo("Europe/Berlin")
    [time] = due(Plan(NIGHTLY, "Europe/Berlin"), MONDAY.astimezone(zone), count=1)
    assert time == "Tue 02 03:00"


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (Plan("0 3 * *"), "expected five fields"),
        (Plan("0 3 30 2 *"), "there is no such date"),
        (Plan(NIGHTLY, "Mars/Olympus"), "--timezone Mars/Olympus: unknown"),
    ],
)
def test_an_invalid_plan_is_rejected_with_its_problem(plan, problem):
    with pytest.raises(CronError, match=problem):
        make_trigger(plan)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def scheduler(workspace, *command, jitter=0):
    arguments = [workspace.folder, jitter, *command]
    return subprocess.Popen(
        [sys.executable, "-u", "-c", SCHEDULER, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(process, number=signal.SIGTERM):
    """Stops a scheduler; what else it said."""
    process.send_signal(number)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    return output.splitlines()


def plan_next(workspace, time, function=None):
    """Makes the check due at another time, as if the clock had been put on, in another function."""
    process = scheduler(workspace, "true")
    process.stdout.readline()
    stop(process)
    store = SQLAlchemyJobStore(f"sqlite:///{workspace.schedule}")
    store.start(BackgroundScheduler(), "default")
    job = store.lookup_job(JOB)
    job._modify(next_run_time=time)
    job.func_ref = function or job.func_ref
    store.update_job(job)


def ago(**time):
    return datetime.now(timezone.utc) - timedelta(**time)


def wait_for(path):
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_restart_after_kill_9_keeps_the_next_time(workspace):
    first = scheduler(workspace, "true", jitter=80_000)
    line = first.stdout.readline()
    first.kill()
    first.communicate()
    second = scheduler(workspace, "false", jitter=80_000)
    assert line.startswith("next check: ")
    assert second.stdout.readline() == line
    assert stop(second) == ["stopped; start it again to resume the schedule"]


def test_a_plan_that_another_version_of_the_code_stored_is_replaced(workspace):
    plan_next(workspace, ago(minutes=1), function="pipeline.schedule:start")
    process = scheduler(workspace, "true")
    assert process.stdout.readline().startswith("next check: ")
    assert stop(process) == ["stopped; start it again to resume the schedule"]


def test_a_time_that_was_just_missed_is_made_up_for_once(workspace, tmp_path):
    plan_next(workspace, ago(minutes=50))
    process = scheduler(workspace, sys.executable, "-c", APPEND, tmp_path / "mark")
    wait_for(tmp_path / "mark")
    for _ in range(2):
        assert process.stdout.readline().startswith("next check: ")
    stop(process)
    assert (tmp_path / "mark").read_text() == "."


def test_a_time_that_was_missed_long_ago_is_reported_and_skipped(workspace, tmp_path):
    plan_next(workspace, ago(hours=2))
    process = scheduler(workspace, sys.executable, "-c", APPEND, tmp_path / "mark")
    process.stdout.readline()
    assert process.stdout.readline().startswith("missed: the check of ")
    assert process.stdout.readline().startswith("next check: ")
    stop(process)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_stops_the_scheduler_lets_a_check_end_in_order(workspace, tmp_path, number):
    plan_next(workspace, ago(minutes=1))
    process = scheduler(workspace, sys.executable, "-c", WORK, tmp_path / "said")
    wait_for(tmp_path / "said")
    stop(process, number)
    assert (tmp_path / "said").read_text() == "saved"


def test_a_check_that_was_cut_off_by_kill_9_is_taken_up_by_a_restart(workspace, tmp_path):
    plan_next(workspace, ago(minutes=1))
    process = scheduler(workspace, sys.executable, "-c", WORK, tmp_path / "said")
    wait_for(tmp_path / "said")
    process.kill()
    process.communicate()
    process = scheduler(workspace, sys.executable, "-c", APPEND, tmp_path / "mark")
    wait_for(tmp_path / "mark")
    stop(process)


def test_a_second_scheduler_reports_who_holds_the_workspace_and_stops(workspace, tmp_path):
    (tmp_path / "data").mkdir()
    arguments = ["schedule", "--cron", NIGHTLY, "--data", str(tmp_path / "data")]
    arguments += ["--workspace", str(workspace.folder)]
    with workspace.scheduled():
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == exit_codes.WORKSPACE
    assert f"is already scheduled by process {os.getpid()} since" in result.output
    assert result.output.count("\n") == 1


def test_a_wrong_schedule_ends_with_code_2_and_one_line(tmp_path):
    arguments = ["schedule", "--data", str(tmp_path), "--workspace", f"{tmp_path}-w"]
    result = CliRunner().invoke(main, [*arguments, "--cron", "at night"])
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith("iadb: --cron 'at night': expected five fields")
