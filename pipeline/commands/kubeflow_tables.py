"""Prints the tasks of a run on a cluster as they end, and tables of runs and schedules."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from rich.console import Console
from rich.markup import escape

from pipeline.cluster.state import ENDED, ClusterRun, ClusterSchedule, ClusterTask
from pipeline.console.tables import Column, cell, print_table, text

COLORS = {"SUCCEEDED": "green", "FAILED": "red", "RUNNING": "yellow"}
MARKS = {"SUCCEEDED": "✓", "FAILED": "✗"}


def print_tasks(
    console: Console, looks: Iterable[ClusterRun], tasks: Mapping[str, str]
) -> ClusterRun:
    """Prints one line per task of a run when it ends; on a terminal, also the running tasks.

    Args:
        console: to print on.
        looks: successive states of the run.
        tasks: displayed names by KFP's own; other tasks, such as KFP's drivers, are not shown.

    Returns:
        The last state.
    """
    printed = set()
    with console.status("waiting") as status:
        for run in looks:
            shown = [task for task in run.tasks if task.name in tasks]
            for task in shown:
                if task.state in ENDED and task.name not in printed:
                    printed.add(task.name)
                    _print_task(console, task, tasks[task.name])
            running = ", ".join(tasks[task.name] for task in shown if task.state == "RUNNING")
            status.update(
                f"{len(printed)} of {len(tasks)} tasks, {_duration(run)}"
                + (f", now {escape(running)}" if running else "")
            )
    return run


def print_status(
    console: Console, runs: list[ClusterRun], schedules: list[ClusterSchedule], pipeline: str | None
) -> None:
    """Prints one line per run and schedule; `pipeline` is the one they belong to, if any."""
    of = f" of {escape(pipeline)}" if pipeline else ""
    names = {schedule.id: schedule.name for schedule in schedules}
    if runs:
        columns = text("run"), Column("state"), Column("started"), Column("took"), text("schedule")
        rows = []
        for run in runs:
            by = names.get(run.schedule_id, "deleted") if run.schedule_id else None
            rows.append(
                (cell(run.name), _state(run.state), _time(run.started), _duration(run), cell(by))
            )
        print_table(console, columns, rows)
    else:
        console.print(f"no runs{of}")
    console.print()
    if schedules:
        columns = text("schedule"), text("cron"), Column("state"), Column("created")
        rows = [
            (
                cell(schedule.name),
                cell(schedule.cron or None),
                "[green]enabled[/]" if schedule.enabled else "disabled",
                _time(schedule.created),
            )
            for schedule in schedules
        ]
        print_table(console, columns, rows)
    else:
        console.print(f"no schedules{of}")


def _print_task(console: Console, task: ClusterTask, name: str) -> None:
    mark, color = MARKS.get(task.state, "–"), COLORS.get(task.state, "default")
    how = "" if task.state == "SUCCEEDED" else f"{task.state.lower()} "
    took = _duration(task)
    console.print(f"[{color}]{mark}[/] {escape(name):<18} {how}{took}")


def _state(state: str) -> str:
    return f"[{COLORS.get(state, 'default')}]{escape(state.lower())}[/]"


def _time(time: datetime | None) -> str:
    return cell(time and time.astimezone(), "%Y-%m-%d %H:%M")


def _duration(work: ClusterRun | ClusterTask) -> str:
    if not work.started:
        return "–"
    end = work.finished or datetime.now(timezone.utc)
    return str(timedelta(seconds=max(0, int((end - work.started).total_seconds()))))
