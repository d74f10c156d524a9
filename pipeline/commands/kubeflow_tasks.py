"""Prints the tasks of a run on a cluster as they end."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from kfp_server_api import V2beta1PipelineTaskDetail, V2beta1Run
from rich.console import Console
from rich.markup import escape

from pipeline.cluster.client import ENDED, ClusterError, one_line

COLORS = {"SUCCEEDED": "green", "FAILED": "red"}
MARKS = {"SUCCEEDED": "✓", "FAILED": "✗"}


def print_tasks(console: Console, looks: Iterable[V2beta1Run], tasks: Mapping[str, str]) -> None:
    """Prints one line per task of a run when it ends; on a terminal, also the running tasks.

    Args:
        console: to print on.
        looks: successive states of the run, of which the last is its end.
        tasks: displayed names by KFP's own; other tasks, such as KFP's drivers, are not shown.

    Raises:
        ClusterError: the run did not succeed.
    """
    printed = set()
    with console.status("waiting") as status:
        for run in looks:
            shown = _tasks(run, tasks)
            for task in shown:
                if task.state in ENDED and task.display_name not in printed:
                    printed.add(task.display_name)
                    _print_task(console, task, tasks[task.display_name])
            running = [tasks[task.display_name] for task in shown if task.state == "RUNNING"]
            took = _duration(run.created_at, datetime.now(timezone.utc))
            now = f", now {escape(', '.join(running))}" if running else ""
            status.update(f"{len(printed)} of {len(tasks)} tasks, {took}{now}")
    if run.state != "SUCCEEDED":
        failed = [
            tasks[task.display_name] + (f" ({one_line(task.error.message)})" if task.error else "")
            for task in _tasks(run, tasks)
            if task.state == "FAILED"
        ]
        reason = ", ".join(failed) or one_line(run.error and run.error.message)
        raise ClusterError(
            f"run {run.run_id} {run.state.lower()}: {reason or 'KFP reports no reason'}"
        )


def _tasks(run: V2beta1Run, tasks: Mapping[str, str]) -> list[V2beta1PipelineTaskDetail]:
    found = (run.run_details and run.run_details.task_details) or ()
    return [task for task in found if task.display_name in tasks]


def _print_task(console: Console, task: V2beta1PipelineTaskDetail, name: str) -> None:
    mark, color = MARKS.get(task.state, "–"), COLORS.get(task.state, "default")
    how = "" if task.state == "SUCCEEDED" else f"{task.state.lower()} "
    took = _duration(task.start_time, task.end_time)
    console.print(f"[{color}]{mark}[/] {escape(name):<18} {how}{took}")


def _duration(start: datetime | None, end: datetime | None) -> str:
    """How long something took; KFP's value for a time that has not come is the start of 1970."""
    if not start or not end or start.timestamp() <= 0:
        return "–"
    return str(timedelta(seconds=max(0, int((end - start).total_seconds()))))
