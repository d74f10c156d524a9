"""Runs and schedules as a person asks for them, out of what KFP's API answers."""

from dataclasses import dataclass
from datetime import datetime

import kfp_server_api as api

from pipeline.cluster.connection import one_line

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@dataclass(frozen=True)
class Task:
    """A task of a run; its state is one of KFP's, such as RUNNING or SUCCEEDED."""

    name: str
    state: str
    started: datetime | None
    finished: datetime | None
    error: str


@dataclass(frozen=True)
class Run:
    """A run; its state is one of KFP's. `schedule_id`, of the schedule that started it."""

    id: str
    name: str
    state: str
    started: datetime | None
    finished: datetime | None
    schedule_id: str | None
    error: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Schedule:
    """A recurring run; `cron` has KFP's six fields, or is empty for one of another kind."""

    id: str
    name: str
    cron: str
    enabled: bool
    created: datetime | None


def read_run(run: api.V2beta1Run) -> Run:
    """Reads a run as the API gives it."""
    tasks = (run.run_details and run.run_details.task_details) or ()
    return Run(
        id=run.run_id,
        name=one_line(run.display_name),
        state=run.state or "PENDING",
        started=_time(run.created_at),
        finished=_time(run.finished_at),
        schedule_id=run.recurring_run_id or None,
        error=one_line(run.error and run.error.message),
        tasks=tuple(
            Task(
                name=one_line(task.display_name),
                state=task.state or "PENDING",
                started=_time(task.start_time),
                finished=_time(task.end_time),
                error=one_line(task.error and task.error.message),
            )
            for task in tasks
        ),
    )


def read_schedule(run: api.V2beta1RecurringRun) -> Schedule:
    """Reads a recurring run as the API gives it."""
    cron = run.trigger and run.trigger.cron_schedule
    return Schedule(
        id=run.recurring_run_id,
        name=one_line(run.display_name),
        cron=one_line(cron and cron.cron),
        enabled=run.status == api.V2beta1RecurringRunStatus.ENABLED,
        created=_time(run.created_at),
    )


def _time(value: datetime | None) -> datetime | None:
    """A time, or none for the beginning of 1970, which KFP gives for what has not been yet."""
    return value if value and value.timestamp() > 0 else None
