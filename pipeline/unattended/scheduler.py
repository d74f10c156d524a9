"""Runs a command at the times of a cron expression, by APScheduler.

A SQLite database in the workspace stores the next time, so that it survives a restart. The command
runs as a child process, one at a time: this process stays small, and a new version of the code or
of a configuration file takes effect at the next time.
"""

import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import sqlalchemy
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    EVENT_SCHEDULER_STARTED,
    JobExecutionEvent,
    SchedulerEvent,
)
from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from pipeline.unattended.cron import next_times, to_kubeflow
from pipeline.unattended.supervisor import Ended, supervise
from pipeline.workspace import Workspace
from trainer.common.signals import stop_on_signals

JOB = "check"
STOPS = {signal.SIGTERM, signal.SIGINT}
MAX_WAIT = 60.0  # seconds until the clock is read again: it may be set, or the machine may sleep
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # from 0; in APScheduler, 0 is mon


class MainThreadScheduler(BaseScheduler):
    """Works and waits in the main thread, the only one to receive signals, until one of STOPS.

    STOPS are blocked except during the wait and the job, since APScheduler swallows exceptions that
    are raised elsewhere.
    """

    def start(self) -> None:
        """Runs until a signal arrives or has stopped a job."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            super().start()
            while self.running:
                seconds = self._process_jobs()
                if self.running and signal.sigtimedwait(STOPS, min(seconds, MAX_WAIT)):
                    self.shutdown()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def shutdown(self, wait: bool = False) -> None:
        """Ends the loop of `start`."""
        super().shutdown(wait)

    def wakeup(self) -> None:
        """Does nothing: no other thread changes what is due."""


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


def run_scheduler(
    workspace: Workspace, command: Sequence[str], plan: Plan, report: Callable[[str], None]
) -> None:
    """Runs the command at the times of the plan, until SIGTERM or Ctrl-C, which it forwards.

    Args:
        workspace: has at most one scheduler.
        command: program and arguments.
        plan: replaces that of an earlier call. If its times are the same, the stored next time is
            kept, and made up for if it has passed.
        report: receives a line for the next time and for each missed one.

    Raises:
        CronError: the plan is never due, or its time zone is unknown.
        InUseError: the workspace already has a scheduler.
        WorkspaceError: the workspace cannot be written.
    """
    trigger = make_trigger(plan)
    with workspace.scheduled():
        url = sqlalchemy.URL.create("sqlite", database=str(workspace.schedule))
        store = SQLAlchemyJobStore(url)
        scheduler = MainThreadScheduler(
            jobstores={"default": store},
            executors={"default": DebugExecutor()},  # runs jobs in this thread
            timezone=plan.timezone,
        )
        store.start(scheduler, "default")  # so that it can be read before the scheduler starts
        try:
            earlier = store.lookup_job(JOB)
        except LookupError:  # stored by a version in which `start` was in another module
            earlier = None
        kept = earlier is not None and earlier.name == plan.name
        scheduler.add_job(
            start,
            trigger,
            args=[list(command)],
            id=JOB,
            name=plan.name,
            misfire_grace_time=plan.misfire_grace,
            coalesce=True,
            max_instances=1,
            replace_existing=True,
            **({"next_run_time": earlier.next_run_time} if kept else {}),
        )
        _run(scheduler, plan, report)


def make_trigger(plan: Plan) -> BaseTrigger:
    """The times of a plan, as cron has them: if both days are restricted, either is due.

    Raises:
        CronError: the plan is never due, or its time zone is unknown.
    """
    _, minute, hour, day, month, weekday = to_kubeflow(plan.cron).split()
    next_times(plan.cron, plan.timezone, datetime.now(timezone.utc), 1)
    if weekday != "*":
        weekday = ",".join(WEEKDAYS[int(number)] for number in weekday.split(","))
    days = [{"day": day, "day_of_week": weekday}]
    if "*" not in (day, weekday):
        days = [{"day": day}, {"day_of_week": weekday}]
    common = {"minute": minute, "hour": hour, "month": month, "timezone": plan.timezone}
    return OrTrigger([CronTrigger(**common, **each) for each in days], jitter=plan.jitter or None)


def start(command: Sequence[str]) -> Ended:
    """Runs the command to its end, or until a signal; the job store refers to it by name."""
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        with stop_on_signals():
            return supervise(command)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(scheduler: BaseScheduler, plan: Plan, report: Callable[[str], None]) -> None:
    # Errors arrive as events; the executor would log them as well.
    logging.getLogger("apscheduler.executors").setLevel(logging.CRITICAL)

    def report_next(event: SchedulerEvent) -> None:
        if scheduler.running:
            report(f"next check: {scheduler.get_job(JOB).next_run_time:%F %H:%M:%S %Z}")

    def report_missed(event: JobExecutionEvent) -> None:
        report(
            f"missed: the check of {event.scheduled_run_time:%F %H:%M %Z} is skipped, late by more "
            f"than {plan.misfire_grace} s"
        )

    def end(event: JobExecutionEvent) -> None:
        if isinstance(event.exception, (KeyboardInterrupt, SystemExit)):
            scheduler.shutdown()
        else:
            report(f"the check could not be started: {event.exception}")

    # "Submitted" arrives when the job has ended and its next time is known.
    scheduler.add_listener(report_next, EVENT_SCHEDULER_STARTED | EVENT_JOB_SUBMITTED)
    scheduler.add_listener(report_missed, EVENT_JOB_MISSED)
    scheduler.add_listener(end, EVENT_JOB_ERROR)
    scheduler.start()
    report("stopped; start it again to resume the schedule")
