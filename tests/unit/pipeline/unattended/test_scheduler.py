"""The scheduler, which starts a stand-in for `iadb run --if-new-data`."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.failures import describe_kill
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Journal
from pipeline.unattended.cron import CronError
from pipeline.unattended.scheduler import Plan, run_scheduler
from pipeline.workspace import Workspace
from tests.small_disk import filled, needs_mount, on_disk, seen_by
from tests.webhook import Webhook
from trainer.common import exit_codes

NIGHTLY = "0 3 * * *"
STOPPED = "stopped; start it again to resume the schedule"
# Reads the clock every 20 ms; it is put on by the days in a file.
SCHEDULER = """
import pathlib, sys
from datetime import datetime, timedelta, timezone
from pipeline.failures import say
from pipeline.monitoring.options import NotifyOptions
from pipeline.unattended import scheduler
from pipeline.workspace import Workspace

folder, jitter, days, *command = sys.argv[1:]
def now():
    put_on = timedelta(days=float(pathlib.Path(days).read_text()))
    return datetime.now(timezone.utc) + put_on
plan = scheduler.Plan("0 3 * * *", jitter=int(jitter), misfire_grace=3600)
scheduler.MAX_WAIT = 0.02
scheduler.run_scheduler(
    Workspace(pathlib.Path(folder)), command, plan, NotifyOptions(), say, now
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


NOON = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)
TONIGHT = datetime(2026, 6, 2, 3, 0, tzinfo=timezone.utc)


def test_a_random_delay_is_at_most_the_jitter():
    times = [Plan(NIGHTLY, jitter=600).draw(NOON) for _ in range(50)]
    assert len(set(times)) == 50
    assert all(TONIGHT <= time <= TONIGHT + timedelta(minutes=10) for time in times)


@pytest.mark.parametrize(
    ("days", "too_far"), [(-400, False), (0, False), (1, False), (1.01, True), (4000, True)]
)
def test_a_time_is_too_far_if_a_whole_period_lies_before_it(days, too_far):
    assert Plan(NIGHTLY).is_too_far(TONIGHT + timedelta(days=days), NOON) is too_far
    delayed = TONIGHT + timedelta(days=days, seconds=600)
    assert Plan(NIGHTLY, jitter=600).is_too_far(delayed, NOON) is too_far


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
        plan.draw(NOON)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def clock(tmp_path):
    """The days by which the clock of a scheduler is put on."""
    file = tmp_path / "clock"
    put_on(file, 0)
    return file


def put_on(clock, days):
    partial = clock.with_name("partial")
    partial.write_text(str(days))
    partial.replace(clock)


@pytest.fixture
def scheduler(workspace, clock):
    """Starts schedulers, and kills those that are left at the end."""
    started = []

    def start(*command, jitter=0, disk=None, **environment):
        arguments = [workspace.folder, jitter, clock, *command]
        program = [sys.executable, "-u", "-c", SCHEDULER, *map(str, arguments)]
        process = subprocess.Popen(
            on_disk(workspace.folder, disk, program) if disk else program,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def stop(process, number=signal.SIGTERM, error=""):
    """Stops a scheduler; what else it said. With `error` None, checks may have written errors."""
    process.send_signal(number)
    output, written = process.communicate(timeout=200)
    assert process.returncode == 0
    assert error is None or written == error
    return output.splitlines()


def plan_next(workspace, time, cron=NIGHTLY):
    """Makes the check due at another time."""
    workspace.folder.mkdir()
    workspace.schedule.write_text(json.dumps({"plan": Plan(cron).name, "due": time.isoformat()}))


def next_check(process):
    """The time that the next line says."""
    line = process.stdout.readline()
    assert line.startswith("next check: "), line
    return datetime.strptime(line, "next check: %Y-%m-%d %H:%M:%S %Z\n").replace(
        tzinfo=timezone.utc
    )


def ago(**time):
    return datetime.now(timezone.utc) - timedelta(**time)


def wait_for(path):
    deadline = time.monotonic() + 200
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_next(workspace):
    """Waits until a time is stored that has not passed."""
    deadline = time.monotonic() + 200
    while datetime.fromisoformat(json.loads(workspace.schedule.read_text())["due"]) < ago():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_restart_after_kill_9_keeps_the_next_time(scheduler):
    first = scheduler("true", jitter=80_000)
    line = first.stdout.readline()
    first.kill()
    first.communicate()
    second = scheduler("false", jitter=80_000)
    assert line.startswith("next check: ")
    assert second.stdout.readline() == line
    assert stop(second) == [STOPPED]


def test_a_time_that_was_just_missed_is_made_up_for_once(scheduler, workspace, tmp_path):
    plan_next(workspace, ago(minutes=50))
    process = scheduler(sys.executable, "-c", APPEND, tmp_path / "mark")
    wait_for(tmp_path / "mark")
    for _ in range(2):
        assert process.stdout.readline().startswith("next check: ")
    stop(process)
    assert (tmp_path / "mark").read_text() == "."


def test_a_time_that_was_missed_long_ago_is_reported_and_skipped(scheduler, workspace, tmp_path):
    plan_next(workspace, ago(hours=2))
    process = scheduler(sys.executable, "-c", APPEND, tmp_path / "mark")
    process.stdout.readline()
    assert process.stdout.readline().startswith("missed: the check of ")
    assert process.stdout.readline().startswith("next check: ")
    stop(process)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("cause", "late", "made_up"),
    [("schedule", 1, True), ("schedule", 90, False), ("check", 1, False)],
)
def test_a_check_that_was_interrupted_is_made_up_for_once(
    scheduler, workspace, tmp_path, cause, late, made_up
):
    plan_next(workspace, ago(hours=5))
    Journal(workspace.journal).begin(cause, {}, ago(hours=5) + timedelta(minutes=late))
    process = scheduler(sys.executable, "-c", APPEND, tmp_path / "mark")
    process.stdout.readline()
    following = process.stdout.readline()  # after the check
    stop(process, error=None)
    assert (tmp_path / "mark").exists() == made_up != following.startswith("missed: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_stops_the_scheduler_lets_a_check_end_in_order(scheduler, workspace, tmp_path, number):
    plan_next(workspace, ago(minutes=1))
    process = scheduler(sys.executable, "-c", WORK, tmp_path / "said")
    wait_for(tmp_path / "said")
    stop(process, number)
    assert (tmp_path / "said").read_text() == "saved"


def test_a_check_that_was_cut_off_by_kill_9_is_taken_up_by_a_restart(
    scheduler, workspace, tmp_path
):
    plan_next(workspace, ago(minutes=1))
    process = scheduler(sys.executable, "-c", WORK, tmp_path / "said")
    wait_for(tmp_path / "said")
    process.kill()
    process.communicate()
    process = scheduler(sys.executable, "-c", APPEND, tmp_path / "mark")
    wait_for(tmp_path / "mark")
    stop(process)


def test_a_time_of_another_plan_is_replaced(scheduler, workspace):
    plan_next(workspace, ago(minutes=1), "0 4 * * *")
    assert next_check(scheduler("true")) > ago()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"plan": "0 3 * * * (UTC)", "due": "at night"}',
        '{"plan": "0 3 * * * (UTC)", "due": "2026-06-01T03:00:00"}',
        '{"plan": "0 3 * * * (UTC)", "due": "0001-01-01T00:00:00+14:00"}',
    ],
)
def test_a_file_that_is_none_of_its_own_is_replaced(scheduler, workspace, text):
    workspace.folder.mkdir()
    workspace.schedule.write_text(text)
    assert next_check(scheduler("true")) > ago()
    assert json.loads(workspace.schedule.read_text())["plan"] == "0 3 * * * (UTC)"


class Planted:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['PLANTED']}",)


def test_a_pickle_that_is_planted_in_the_workspace_runs_no_command(
    scheduler, workspace, tmp_path, monkeypatch
):
    monkeypatch.setenv("PLANTED", str(tmp_path / "run"))
    planted = pickle.dumps(Planted())
    workspace.folder.mkdir()
    workspace.schedule.write_bytes(planted)
    process = scheduler("true")
    assert next_check(process) > ago()
    assert stop(process) == [STOPPED]
    assert not (tmp_path / "run").exists()
    pickle.loads(planted)
    assert (tmp_path / "run").exists()


def test_a_start_with_a_clock_that_is_years_ahead_does_not_disable_the_schedule(
    scheduler, workspace, clock
):
    put_on(clock, 4000)
    first = scheduler("true")
    assert next_check(first) > ago(days=-3999)
    stop(first)
    put_on(clock, 0)
    second = scheduler("true")
    assert next_check(second) > ago(days=-3999)
    assert second.stdout.readline().startswith("the clock was set back: ")
    assert ago() < next_check(second) <= ago(days=-1)
    assert stop(second) == [STOPPED]
    assert datetime.fromisoformat(json.loads(workspace.schedule.read_text())["due"]) < ago(days=-1)


def test_a_clock_that_jumps_ahead_and_back_does_not_delay_the_schedule(scheduler, clock):
    process = scheduler("true")
    next_check(process)
    put_on(clock, 4)
    assert process.stdout.readline().startswith("missed: ")
    assert next_check(process) > ago(days=-4)
    put_on(clock, 2)
    assert process.stdout.readline().startswith("the clock was set back: ")
    assert ago(days=-2) < next_check(process) <= ago(days=-3)
    stop(process)


@needs_mount
def test_a_short_full_disk_does_not_end_the_schedule(scheduler, workspace, clock):
    server = Webhook(200)
    process = scheduler("true", disk="size=1m", IADB_WEBHOOK=server.url)
    first = next_check(process)
    folder = seen_by(process, workspace.folder)
    with filled(folder):
        put_on(clock, 4)
        assert process.stdout.readline().startswith("missed: ")
        problem = process.stdout.readline().strip()
        assert problem.startswith(f"{workspace.schedule} cannot be written")
        assert problem.endswith(f": the disk is full: {workspace.schedule}; free some space")
        second = next_check(process)
        assert timedelta(days=3) < second - first
    assert process.stdout.readline() == f"{workspace.schedule} is written again\n"
    stored = json.loads((folder / workspace.schedule.name).read_text())
    assert abs(datetime.fromisoformat(stored["due"]) - second) < timedelta(seconds=1)
    assert stop(process) == [STOPPED]
    missed, payload = server.received
    assert missed["attempt"]["message"].startswith("missed: ")
    assert payload["attempt"]["outcome"] == "failed"
    assert payload["attempt"]["message"] == problem
    server.close()


def test_a_schedule_whose_output_is_on_a_full_disk_goes_on(workspace, clock, tmp_path):
    plan_next(workspace, ago(minutes=1))
    arguments = [workspace.folder, 0, clock, sys.executable, "-c", APPEND, tmp_path / "mark"]
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", SCHEDULER, *map(str, arguments)],
            stdout=full,
            stderr=full,
        )
    wait_for(tmp_path / "mark")
    wait_for_next(workspace)
    process.terminate()
    assert process.wait(60) == 0


def test_a_check_that_cannot_be_started_is_reported_and_the_schedule_goes_on(scheduler, workspace):
    plan_next(workspace, ago(minutes=1))
    server = Webhook(200)
    process = scheduler("/no/such/program", IADB_WEBHOOK=server.url)
    next_check(process)
    problem = process.stdout.readline()
    assert problem.startswith("the check could not be started: FileNotFoundError")
    assert next_check(process) > ago()
    stop(process)
    assert [payload["attempt"]["message"] for payload in server.received] == [problem.strip()]
    server.close()


def test_a_signal_that_a_library_swallowed_stops_the_schedule(workspace):
    lines = []

    def report(line):
        lines.append(line)
        if line != STOPPED:
            with contextlib.suppress(SystemExit):
                signal.raise_signal(signal.SIGTERM)

    run_scheduler(workspace, ["/no/such/program"], Plan(NIGHTLY), NotifyOptions(), report)
    assert lines[1:] == [STOPPED]


FAIL = "import sys; sys.exit('iadb: mine.yaml: train.stepz: unknown key')"
BEGIN = """
import os, pathlib, sys
from datetime import datetime, timezone
from pipeline.registry.journal import Journal, Outcome
journal = Journal(pathlib.Path(sys.argv[1]))
number = journal.begin("schedule", {}, datetime.now(timezone.utc))
"""
END = """
journal.end(number, Outcome.FAILED, "the disk broke", datetime.now(timezone.utc), exit_code=1)
sys.exit("iadb: the disk broke")
"""


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (FAIL, "mine.yaml: train.stepz: unknown key"),
        (f"{BEGIN}os.kill(os.getpid(), 9)", describe_kill()),
        (f"{BEGIN}{END}", None),
        ("", None),
    ],
)
def test_a_check_that_fails_without_a_record_is_reported_by_the_schedule(
    scheduler, workspace, check, reason
):
    plan_next(workspace, ago(minutes=1))
    Journal(workspace.journal).begin("schedule", {}, ago(days=1))  # cut off
    server = Webhook(200)
    command = sys.executable, "-c", check, workspace.journal
    process = scheduler(*command, IADB_WEBHOOK=server.url)
    next_check(process)
    wait_for_next(workspace)
    problem = [f"the check ended and left no record: {reason}"] if reason else []
    said = [line for line in stop(process, error=None) if "next check" not in line]
    assert said == [*problem, STOPPED]
    assert [payload["attempt"]["message"] for payload in server.received] == problem
    server.close()


def test_a_pipe_in_place_of_the_stored_time_does_not_block_the_schedule(scheduler, workspace):
    workspace.folder.mkdir()
    os.mkfifo(workspace.schedule)
    assert next_check(scheduler("true")) > ago()


def test_a_clock_that_is_set_back_during_a_check_does_not_repeat_it(
    scheduler, workspace, clock, tmp_path
):
    due = datetime.now(timezone.utc).replace(hour=3, minute=0, second=0, microsecond=0)
    back = (due - datetime.now(timezone.utc) - timedelta(minutes=30)) / timedelta(days=1)
    put_on(clock, (due - datetime.now(timezone.utc) + timedelta(minutes=1)) / timedelta(days=1))
    plan_next(workspace, due)
    set_back = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    process = scheduler(sys.executable, "-c", set_back, clock, str(back))
    assert next_check(process) == due
    assert next_check(process) == due + timedelta(days=1)
    stop(process)


def test_a_second_scheduler_reports_who_holds_the_workspace_and_stops(workspace, tmp_path):
    (tmp_path / "data").mkdir()
    arguments = ["schedule", "--preset=digits", "--cron", NIGHTLY, "--data", str(tmp_path / "data")]
    arguments += ["--workspace", str(workspace.folder)]
    with workspace.scheduled():
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == exit_codes.WORKSPACE
    assert f"is already scheduled by process {os.getpid()} on " in result.output
    assert result.output.count("\n") == 1


def test_a_wrong_schedule_ends_with_code_2_and_one_line(tmp_path):
    arguments = ["schedule", "--preset=digits", "--data", str(tmp_path)]
    arguments += ["--workspace", f"{tmp_path}-w"]
    result = CliRunner().invoke(main, [*arguments, "--cron", "at night"])
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith("iadb: --cron 'at night': expected five fields")
