"""Runs and schedules on a cluster, read from the answers of KFP's API."""

from dataclasses import dataclass
from datetime import datetime

import kfp_server_api as api

from pipeline.cluster.connection import one_line

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@dataclass(frozen=True)
class ClusterTask:
    """A task of a run; `state` is one of KFP's, such as RUNNING or SUCCEEDED."""

    name: str
    state: str
    started: datetime | None
    finished: datetime | None
    error: str


@dataclass(frozen=True)
class ClusterRun:
    """A run; `state` is one of KFP's, and `schedule_id` names the schedule that started it."""

    id: str
    name: str
    state: str
    started: datetime | None
    finished: datetime | None
    schedule_id: str | None
    error: str
    tasks: tuple[ClusterTask, ...]


@dataclass(frozen=True)
class ClusterSchedule:
    """A recurring run; `cron` has KFP's six fields, or is empty if it runs at intervals."""

    id: str
    name: str
    cron: str
    enabled: bool
    created: datetime | None


def read_run(run: api.V2beta1Run) -> ClusterRun:
    """Reads a run of the API."""
    tasks = (run.run_details and run.run_details.task_details) or ()
    return ClusterRun(
        id=run.run_id,
        name=one_line(run.display_name),
        state=run.state or "PENDING",
        started=_time(run.created_at),
        finished=_time(run.finished_at),
        schedule_id=run.recurring_run_id or None,
        error=one_line(run.error and run.error.message),
        tasks=tuple(
            ClusterTask(
                name=one_line(task.display_name),
                state=task.state or "PENDING",
                started=_time(task.start_time),
                finished=_time(task.end_time),
                error=one_line(task.error and task.error.message),
            )
            for task in tasks
        ),
    )


def read_schedule(run: api.V2beta1RecurringRun) -> ClusterSchedule:
    """Reads a recurring run of the API."""
    cron = run.trigger and run.trigger.cron_schedule
    return ClusterSchedule(
        id=run.recurring_run_id,
        name=one_line(run.display_name),
        cron=one_line(cron and cron.cron),
        enabled=run.status == api.V2beta1RecurringRunStatus.ENABLED,
        created=_time(run.created_at),
    )


def _time(value: datetime | None) -> datetime | None:
    """A time, or None for the start of 1970, KFP's value for a time that has not come."""
    return value if value and value.timestamp() > 0 else None
