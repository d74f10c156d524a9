"""Runs a command at the times of a cron expression: what `iadb schedule` does.

The command runs as a child process, one at a time: this process stays small, and a new version of
the code or of a configuration file takes effect at the next time. A time that passes while this
process does not run is not made up for; deploy/systemd has a timer that does.

All work and all waiting is in the main thread, where SIGTERM and Ctrl-C are exceptions.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from pipeline import failures
from pipeline.monitoring import webhook
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Attempt, Journal, Outcome
from pipeline.unattended.cron import next_times
from pipeline.unattended.supervisor import supervise
from pipeline.workspace import Workspace
from trainer.common.signals import raise_lost_stop, stop_on_signals

CAUSE = "schedule"  # of the checks that it starts, in the journal
MAX_WAIT = 60.0  # seconds until the clock is read again: it may be set, or the machine may sleep


def run_schedule(
    workspace: Workspace,
    command: Sequence[str],
    cron: str,
    zone: str,
    notify: NotifyOptions,
    report: Callable[[str], None],
) -> None:
    """Runs the command at the times of a cron expression, until SIGTERM or Ctrl-C.

    A signal is forwarded to the command, which ends first.

    Args:
        workspace: has at most one schedule.
        command: program and arguments.
        cron: five fields, as people write them.
        zone: name of the time zone of `cron`.
        notify: where to post that the command cannot be started, or failed and recorded no check.
        report: receives a line for the next time and for each failure; does not raise.

    Raises:
        CronError: the expression is malformed or never due, or its time zone is unknown.
        InUseError: the workspace already has a schedule.
        WorkspaceError: the workspace cannot be written.
    """
    next_times(cron, zone, _now(), 1)
    with workspace.scheduled():
        try:
            with stop_on_signals():
                due = None
                while True:
                    raise_lost_stop()
                    [following] = next_times(cron, zone, _now(), 1)
                    if due is None or following < due:  # sooner, if the clock was set back
                        due = following
                        report(f"next check: {due:%F %H:%M:%S %Z}")
                    seconds = (due - _now()).total_seconds()
                    time.sleep(max(0, min(seconds, MAX_WAIT)))
                    if _now() >= due:
                        due = None
                        _check(workspace, command, notify, report)
        except (KeyboardInterrupt, SystemExit):
            report("stopped; start it again to resume the schedule")


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _check(
    workspace: Workspace,
    command: Sequence[str],
    notify: NotifyOptions,
    report: Callable[[str], None],
) -> None:
    """Runs a check, and reports and posts the failure of one that could not do so itself."""
    began = _now()
    try:
        ended = supervise(command)
        if not ended.code or _is_recorded(workspace, began):
            return
        problem = f"the check ended and left no record: {ended.reason}"
    except OSError as error:
        problem = f"the check could not be started: {failures.describe(error)[1]}"
    report(problem)
    failed = Attempt(0, _now(), CAUSE, outcome=Outcome.FAILED, message=problem)
    webhook.notify(notify, failed, [], workspace)


def _is_recorded(workspace: Workspace, began: datetime) -> bool:
    """Whether a check has begun and ended since a time; False if the journal cannot be read."""
    try:
        newest = Journal(workspace.journal).attempts(last=1)
    except (OSError, sqlite3.Error):
        return False
    return any(attempt.started >= began and attempt.ended for attempt in newest)
