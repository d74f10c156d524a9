"""Prints the tasks of a run on a cluster as they end, and tables of runs and schedules."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from rich.console import Console
from rich.markup import escape

from pipeline.cluster.state import ENDED, ClusterRun, ClusterSchedule, ClusterTask
from pipeline.terminal import make_table

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
        table = make_table("run", "state", "started", "took", "schedule")
        for run in runs:
            by = names.get(run.schedule_id, "deleted") if run.schedule_id else "–"
            table.add_row(
                escape(run.name), _state(run.state), _time(run.started), _duration(run), escape(by)
            )
        console.print(table)
    else:
        console.print(f"no runs{of}")
    console.print()
    if schedules:
        table = make_table("schedule", "cron", "state", "created")
        for schedule in schedules:
            state = "[green]enabled[/]" if schedule.enabled else "disabled"
            cron = escape(schedule.cron) or "–"
            table.add_row(escape(schedule.name), cron, state, _time(schedule.created))
        console.print(table)
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
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else "–"


def _duration(work: ClusterRun | ClusterTask) -> str:
    if not work.started:
        return "–"
    end = work.finished or datetime.now(timezone.utc)
    return str(timedelta(seconds=max(0, int((end - work.started).total_seconds()))))
