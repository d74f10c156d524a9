"""Starts a command at the times of a cron expression, by APScheduler.

The next time is in a SQLite database of the workspace, so that a restart keeps it. The command runs
as a child process, one at a time: this process stays small, and a new version of the code or of a
configuration file counts from the next time on.
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
from trainer.common.signals import exit_on_sigterm

JOB = "check"
STOPS = {signal.SIGTERM, signal.SIGINT}
MAX_WAIT = 60.0  # seconds until the clock is read again, which may have been set, or have slept
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # from 0; APScheduler's is mon


class MainThreadScheduler(BaseScheduler):
    """Works and waits in the main thread, which alone gets signals, until one of STOPS comes.

    They are blocked but for the wait and the job: APScheduler keeps what its parts raise to itself.
    """

    def start(self) -> None:
        """Runs until a signal comes, or a job was stopped by one."""
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
        """There is no other thread that could change what is due."""


@dataclass(frozen=True)
class Plan:
    """When a command is to be started.

    Attributes:
        cron: five fields, as people write them.
        timezone: name of the zone that they are read in.
        jitter: seconds that a start is put off by, at most, at random.
        misfire_grace: seconds that a start may be late, as after a power failure, and still happen.
    """

    cron: str
    timezone: str = "UTC"
    jitter: int = 0
    misfire_grace: int = 3600

    @property
    def name(self) -> str:
        """What makes it another plan, with other times."""
        return f"{self.cron} ({self.timezone})"


def run_scheduler(
    workspace: Workspace, command: Sequence[str], plan: Plan, tell: Callable[[str], None]
) -> None:
    """Starts the command again and again, until SIGTERM or Ctrl-C, which it passes on.

    Args:
        workspace: which has one scheduler at a time.
        command: program and arguments.
        plan: when. That of an earlier call is replaced; where the times are the same, the next one
            is kept, and made up for where it has passed.
        tell: is given a line on what is next, and on what was missed.

    Raises:
        CronError: the plan has no such time or zone.
        InUseError: the workspace has a scheduler.
        WorkspaceError: it cannot be written.
    """
    trigger = make_trigger(plan)
    with workspace.scheduled():
        url = sqlalchemy.URL.create("sqlite", database=str(workspace.schedule))
        store = SQLAlchemyJobStore(url)
        scheduler = MainThreadScheduler(
            jobstores={"default": store},
            executors={"default": DebugExecutor()},  # in this thread, too
            timezone=plan.timezone,
        )
        store.start(scheduler, "default")  # to be read before the scheduler starts
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
        _run(scheduler, plan, tell)


def make_trigger(plan: Plan) -> BaseTrigger:
    """The times of a plan, as cron has them: where both days are restricted, either will do.

    Raises:
        CronError: there is no such time or zone.
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
    """What the job store names: runs the command to its end, and lets a signal stop it."""
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        with exit_on_sigterm():
            return supervise(command)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(scheduler: BaseScheduler, plan: Plan, tell: Callable[[str], None]) -> None:
    # What an executor has to say comes as an event.
    logging.getLogger("apscheduler.executors").setLevel(logging.CRITICAL)

    def tell_next(event: SchedulerEvent) -> None:
        if scheduler.running:
            tell(f"next check: {scheduler.get_job(JOB).next_run_time:%F %H:%M:%S %Z}")

    def tell_missed(event: JobExecutionEvent) -> None:
        tell(
            f"missed: the check of {event.scheduled_run_time:%F %H:%M %Z}, late by more than "
            f"{plan.misfire_grace} s; it is skipped"
        )

    def end(event: JobExecutionEvent) -> None:
        if isinstance(event.exception, (KeyboardInterrupt, SystemExit)):
            scheduler.shutdown()
        else:
            tell(f"the check could not be started: {event.exception}")

    # "Submitted" comes when the job has ended, and its next time is known.
    scheduler.add_listener(tell_next, EVENT_SCHEDULER_STARTED | EVENT_JOB_SUBMITTED)
    scheduler.add_listener(tell_missed, EVENT_JOB_MISSED)
    scheduler.add_listener(end, EVENT_JOB_ERROR)
    scheduler.start()
    tell("stopped; the schedule goes on when it is started again")
