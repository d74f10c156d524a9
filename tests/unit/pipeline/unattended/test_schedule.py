"""The schedule, which starts a stand-in for `iadb run --if-new-data`."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.failures import describe_kill
from pipeline.registry.journal import Journal
from pipeline.workspace import Workspace
from tests.webhook import Webhook
from trainer.common import exit_codes

STOPPED = "stopped; start it again to resume the schedule\n"
# Reads the clock every 20 ms; it is put on by the seconds in a file.
SCHEDULE = """
import pathlib, sys
from datetime import datetime, timedelta, timezone
from pipeline.failures import say
from pipeline.monitoring.options import NotifyOptions
from pipeline.unattended import schedule
from pipeline.workspace import Workspace

folder, clock, *command = sys.argv[1:]
def now():
    put_on = timedelta(seconds=float(pathlib.Path(clock).read_text()))
    return datetime.now(timezone.utc) + put_on
schedule._now, schedule.MAX_WAIT = now, 0.02
schedule.run_schedule(
    Workspace(pathlib.Path(folder)), command, "0 3 * * *", "UTC", NotifyOptions(), say
)
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
DAY = 86_400


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def clock(tmp_path):
    """The seconds by which the clock of a schedule is put on."""
    file = tmp_path / "clock"
    put_on(file, 0)
    return file


def put_on(clock, seconds):
    partial = clock.with_name("partial")
    partial.write_text(str(seconds))
    partial.replace(clock)


@pytest.fixture
def schedule(workspace, clock):
    """Starts schedules, and kills those that are left at the end."""
    started = []

    def start(*command, stdout=subprocess.PIPE, **environment):
        arguments = map(str, [workspace.folder, clock, *command])
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", SCHEDULE, *arguments],
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def stop(process, number=signal.SIGTERM):
    """Stops a schedule; what else it said."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    return output


def next_check(process):
    """The time that the next line says."""
    return datetime.strptime(
        process.stdout.readline(), "next check: %Y-%m-%d %H:%M:%S %Z\n"
    ).replace(tzinfo=timezone.utc)


def skip_to(clock, due):
    """Puts the clock on to a second after a time."""
    put_on(clock, (due - datetime.now(timezone.utc)).total_seconds() + 1)


def wait_for(path):
    deadline = time.monotonic() + 200
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_check_runs_at_each_time(schedule, clock, tmp_path):
    process = schedule(sys.executable, "-c", APPEND, tmp_path / "mark")
    due = next_check(process)
    assert (due.hour, due.minute) == (3, 0)
    for count in (1, 2):
        skip_to(clock, due)
        following = next_check(process)
        assert following - due == timedelta(days=1)
        assert (tmp_path / "mark").read_text() == count * "."
        due = following
    assert stop(process) == STOPPED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_stops_the_schedule_lets_a_check_end_in_order(schedule, clock, tmp_path, number):
    process = schedule(sys.executable, "-c", WORK, tmp_path / "said")
    skip_to(clock, next_check(process))
    wait_for(tmp_path / "said")
    stop(process, number)
    assert (tmp_path / "said").read_text() == "saved"


def test_a_clock_that_was_years_ahead_does_not_delay_the_schedule(schedule, clock, tmp_path):
    put_on(clock, 4000 * DAY)
    process = schedule("true")
    in_years = next_check(process)
    put_on(clock, 0)
    assert next_check(process) <= in_years - timedelta(days=3999)
    stop(process)


def test_a_schedule_whose_output_is_on_a_full_disk_goes_on(schedule, clock, tmp_path):
    with open("/dev/full", "w") as full:
        process = schedule(sys.executable, "-c", APPEND, tmp_path / "mark", stdout=full)
    due = datetime.now(timezone.utc).replace(hour=3, minute=0, second=0) + timedelta(days=1)
    deadline = time.monotonic() + 200
    while not (tmp_path / "mark").exists() and time.monotonic() < deadline:
        skip_to(clock, due)  # again, where it came before the schedule had begun
        due += timedelta(days=1)
        time.sleep(0.2)
    wait_for(tmp_path / "mark")
    process.terminate()
    assert process.wait(60) == 0


FAIL = "import sys; sys.exit('iadb: mine.yaml: train.stepz: unknown key')"
BEGIN = """
import os, pathlib, sys
from datetime import datetime, timedelta, timezone
from pipeline.registry.journal import Journal, Outcome
journal = Journal(pathlib.Path(sys.argv[1]))
now = datetime.now(timezone.utc) + timedelta(seconds=float(pathlib.Path(sys.argv[2]).read_text()))
number = journal.begin("schedule", {}, now)
"""
END = """
journal.end(number, Outcome.FAILED, "the disk broke", now, exit_code=1)
sys.exit("iadb: the disk broke")
"""


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        (None, "the check could not be started: FileNotFoundError"),
        (FAIL, "the check ended and left no record: mine.yaml: train.stepz: unknown key"),
        (
            f"{BEGIN}os.kill(os.getpid(), 9)",
            f"the check ended and left no record: {describe_kill()}",
        ),
        (f"{BEGIN}{END}", None),
        ("", None),
    ],
)
def test_a_check_that_fails_without_a_record_is_reported_and_the_schedule_goes_on(
    schedule, workspace, clock, check, problem
):
    before = datetime.now(timezone.utc) - timedelta(days=1)
    Journal(workspace.journal).begin("schedule", {}, before)  # cut off
    server = Webhook(200)
    command = [sys.executable, "-c", check] if check is not None else ["/no/such/program"]
    process = schedule(*command, workspace.journal, clock, IADB_WEBHOOK=server.url)
    due = next_check(process)
    skip_to(clock, due)
    if problem:
        line = process.stdout.readline()
        assert line.startswith(problem)
    assert next_check(process) > due
    stop(process)
    posted = [payload["attempt"]["message"] for payload in server.received]
    assert posted == ([line.strip()] if problem else [])
    server.close()


def test_a_second_schedule_reports_who_holds_the_workspace_and_stops(workspace, tmp_path):
    (tmp_path / "data").mkdir()
    arguments = ["schedule", "--preset=digits", "--cron=0 3 * * *", f"--data={tmp_path / 'data'}"]
    arguments += ["--workspace", str(workspace.folder)]
    with workspace.scheduled():
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == exit_codes.WORKSPACE
    assert f"is already scheduled by process {os.getpid()} on " in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--cron=at night"], "--cron 'at night': expected five fields"),
        (["--cron=0 3 * * *", "--timezone=Mars/Olympus"], "--timezone Mars/Olympus: unknown"),
    ],
)
def test_a_wrong_schedule_ends_with_code_2_and_one_line(tmp_path, options, problem):
    arguments = ["schedule", "--preset=digits", "--data", str(tmp_path)]
    arguments += ["--workspace", f"{tmp_path}-w"]
    result = CliRunner().invoke(main, [*arguments, *options])
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith(f"iadb: {problem}")
