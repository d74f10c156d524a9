"""Runs a command at the times of a cron expression.

A JSON file in the workspace stores the next time, so that it survives a restart; while the file
cannot be written, this process remembers the time and goes on. The command runs as a child process,
one at a time: this process stays small, and a new version of the code or of a configuration file
takes effect at the next time.

All work and all waiting is in the main thread, where SIGTERM and Ctrl-C are exceptions.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NoReturn
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from pipeline import failures
from pipeline.monitoring import webhook
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Attempt, Journal, Outcome
from pipeline.unattended.cron import next_times
from pipeline.unattended.supervisor import supervise
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write, open_below
from trainer.common.signals import raise_lost_stop, stop_on_signals

CAUSE = "schedule"  # of the checks that it starts, in the journal
MAX_WAIT = 60.0  # seconds until the clock is read again: it may be set, or the machine may sleep


@dataclass(frozen=True)
class Plan:
    """The times of a schedule.

    Attributes:
        cron: five fields, as people write them.
        timezone: name of the time zone of `cron`.
        jitter: maximum random delay of a start, in seconds.
        misfire_grace: seconds that a start may be late, as after a power failure; later ones are
            skipped.
    """

    cron: str
    timezone: str = "UTC"
    jitter: int = 0
    misfire_grace: int = 3600

    @property
    def name(self) -> str:
        """Identifies the plan: plans with another name have other times."""
        return f"{self.cron} ({self.timezone})"

    def draw(self, now: datetime) -> datetime:
        """The next time, in UTC, with its random delay.

        Raises:
            CronError: the plan is malformed or never due, or its time zone is unknown.
        """
        [due] = next_times(self.cron, self.timezone, now, 1)
        return due.astimezone(timezone.utc) + timedelta(seconds=random.uniform(0, self.jitter))

    def is_too_far(self, due: datetime, now: datetime) -> bool:
        """Whether a time is further away than one period: it was drawn by a clock that was wrong.

        A clock that is put back by less than a period does not repeat a check.
        """
        _, second = next_times(self.cron, self.timezone, now, 2)
        return due > second.astimezone(timezone.utc) + timedelta(seconds=self.jitter)


def run_scheduler(
    workspace: Workspace,
    command: Sequence[str],
    plan: Plan,
    notify: NotifyOptions,
    report: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> None:
    """Runs the command at the times of the plan, until SIGTERM or Ctrl-C, which it forwards.

    Args:
        workspace: has at most one scheduler.
        command: program and arguments.
        plan: replaces that of an earlier call. If its times are the same, the stored next time is
            kept, and made up for if it has passed.
        notify: where to post that a check was missed, that the next time cannot be stored, or that
            the command cannot be started or failed and recorded no check.
        report: receives a line for the next time and for each missed one; does not raise.
        now: the time, aware.

    Raises:
        CronError: the plan is malformed or never due, or its time zone is unknown.
        InUseError: the workspace already has a scheduler.
        WorkspaceError: the workspace cannot be written.
    """
    plan.draw(now())
    with workspace.scheduled():
        try:
            with stop_on_signals():
                _Scheduler(workspace, command, plan, notify, report, now).run()
        except (KeyboardInterrupt, SystemExit):
            report("stopped; start it again to resume the schedule")


@dataclass(frozen=True)
class _Stored:
    plan: str
    due: AwareDatetime


_JSON = TypeAdapter(_Stored)


class _Scheduler:
    def __init__(
        self,
        workspace: Workspace,
        command: Sequence[str],
        plan: Plan,
        notify: NotifyOptions,
        report: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._workspace = workspace
        self._command = command
        self._plan = plan
        self._notify = notify
        self._report = report
        self._now = now
        self._due = self._stored = self._read()  # in UTC; None: not known
        self._failing = False  # whether the last attempt to store the time failed

    def run(self) -> NoReturn:
        """Waits and checks until a signal is raised."""
        if self._due is None:
            self._due = self._plan.draw(self._now())
        while True:
            self._store()
            self._report(f"next check: {self._local():%F %H:%M:%S %Z}")
            if self._wait():
                self._check()
                # Not the same time again, if the clock was set back during the check.
                self._due = self._plan.draw(max(self._now(), self._due))

    def _wait(self) -> bool:
        """Waits for the time; False if it was replaced, because the clock was set back."""
        while (seconds := (self._due - self._now()).total_seconds()) > 0:
            raise_lost_stop()
            if self._plan.is_too_far(self._due, self._now()):
                self._report(f"the clock was set back: {self._local():%F %H:%M %Z} is replaced")
                self._due = self._plan.draw(self._now())
                return False
            self._store()  # again, if that failed
            time.sleep(min(seconds, MAX_WAIT))
        return True

    def _check(self) -> None:
        late = (self._now() - self._due).total_seconds() > self._plan.misfire_grace
        if late and not self._was_interrupted():
            self._alert(
                f"missed: the check of {self._local():%F %H:%M %Z} is skipped, late by more than "
                f"{self._plan.misfire_grace} s"
            )
            return
        before = self._newest()
        try:
            ended = supervise(self._command)
        except Exception as error:
            self._alert(f"the check could not be started: {failures.describe(error)[1]}")
            return
        newest = self._newest()
        is_new = newest is not None and (before is None or newest.number > before.number)
        if ended.code and not (is_new and newest.ended):  # or else it was posted
            self._alert(f"the check ended and left no record: {ended.reason}")

    def _was_interrupted(self) -> bool:
        """Whether the due check began in time and was interrupted.

        What makes up for it begins late, so this happens once.
        """
        newest = self._newest()
        if newest is None or newest.cause != CAUSE:
            return False
        late = (newest.started - self._due).total_seconds()
        in_time = 0 <= late <= max(self._plan.misfire_grace, MAX_WAIT)
        return in_time and newest.outcome in (None, Outcome.INTERRUPTED)

    def _newest(self) -> Attempt | None:
        """The newest recorded check; None if there is none, or the journal cannot be read."""
        try:
            return next(iter(Journal(self._workspace.journal).attempts(last=1)), None)
        except (OSError, ValueError, sqlite3.Error) as error:
            self._report(f"the journal cannot be read: {failures.describe(error)[1]}")
            return None

    def _read(self) -> datetime | None:
        """The stored time, if it is of this plan. Anybody may have written the file."""
        try:
            with open_below(self._workspace.folder, self._workspace.schedule) as file:
                stored = _JSON.validate_json(file.read())
            local = stored.due.astimezone(ZoneInfo(self._plan.timezone))
        except (OSError, ValidationError, OverflowError):  # the last: in no year of that zone
            return None
        return local.astimezone(timezone.utc) if stored.plan == self._plan.name else None

    def _store(self) -> None:
        """Stores the time; on a full disk, reports that once and leaves it to the next call."""
        if self._stored == self._due:
            return
        try:
            with atomic_write(self._workspace.schedule) as partial:
                partial.write_bytes(_JSON.dump_json(_Stored(self._plan.name, self._due)))
        except OSError as error:
            if not self._failing:
                self._alert(
                    f"{self._workspace.schedule} cannot be written, and a restart would forget the "
                    f"time of the next check; trying again: {failures.describe(error)[1]}"
                )
            self._failing = True
            return
        if self._failing:
            self._report(f"{self._workspace.schedule} is written again")
        self._stored, self._failing = self._due, False

    def _local(self) -> datetime:
        return self._due.astimezone(ZoneInfo(self._plan.timezone))

    def _alert(self, message: str) -> None:
        self._report(message)
        attempt = Attempt(0, self._now(), CAUSE, outcome=Outcome.FAILED, message=message)
        webhook.notify(self._notify, attempt, [], self._workspace)
