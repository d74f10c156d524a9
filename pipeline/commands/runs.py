"""The commands `iadb runs`, `iadb history` and `iadb tensorboard`: what ran."""

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.shared_options import JSON, LAST, WORKSPACE, workspace_options
from pipeline.registry.names import Decision, Outcome
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.text import as_json_text

COLORS = {
    Outcome.BLESSED: "green",
    Outcome.NOT_BLESSED: "yellow",
    Outcome.HELD: "yellow",
    Outcome.FAILED: "red",
    Outcome.TIMED_OUT: "red",
    Outcome.INTERRUPTED: "red",
    Decision.ROLLED_BACK: "red",
    Decision.PROMOTED: "yellow",
    "withdrawn": "red",
}
DECIDED = {"withdrawn", "promoted"}  # verdicts on a model by a person

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline.registry.history import Event
    from pipeline.registry.lineage import Run
    from pipeline.registry.models import RegisteredModel


@click.command()
@workspace_options
@LAST
@JSON
def runs(workspace: Workspace, last: int, as_json: bool) -> None:
    """List runs with their metrics and verdicts."""
    workspace.check_exists()
    from pipeline.registry import lineage
    from pipeline.registry.models import load_models

    store = lineage.connect(workspace.metadata)
    by_number = {model.number: model for model in load_models(store, workspace.serving)}
    found = [(run, by_number.get(run.model_number)) for run in lineage.runs(store, last)]
    if as_json:
        listed = [_summary(run, model) for run, model in found]
        click.echo(json.dumps(listed, indent=2, default=as_json_text))
    elif found:
        _print_runs(found)
    else:
        click.echo(f"no runs in {workspace.folder}")


@click.command()
@WORKSPACE
@LAST
@JSON
def history(workspace: Workspace, last: int, as_json: bool) -> None:
    """List checks, runs, distillations, rollbacks and promotions.

    Runs that a check started are part of it.
    """
    workspace.check_exists()
    from pipeline.registry import lineage
    from pipeline.registry.history import events, newest_check, newest_run
    from pipeline.registry.journal import Journal
    from pipeline.registry.models import load_models

    store = lineage.connect(workspace.metadata)
    models, found = load_models(store, workspace.serving), lineage.runs(store)
    happened = events(Journal(workspace.journal).attempts(), found, models)
    shown = happened[-last:]
    if as_json:
        listed = [dataclasses.asdict(event) for event in shown]
        click.echo(json.dumps(listed, indent=2, default=as_json_text))
    elif happened:
        _print_events(shown, may_run=(newest_check(happened), newest_run(happened, found)))
    else:
        click.echo(f"nothing has happened in {workspace.folder}")


@click.command()
@WORKSPACE
def tensorboard(workspace: Workspace) -> None:
    """Open TensorBoard on the newest training, running or done."""
    events = workspace.checkpoints.glob("*/logs/events.out.tfevents.*")
    newest = max(events, key=_modified, default=None)
    if newest is None:
        workspace.check_exists()
        click.echo(f"iadb: no training in {workspace.folder}; `iadb run` starts one", err=True)
        sys.exit(exit_codes.USAGE)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(newest.parent), host="127.0.0.1")
    sys.exit(1 if board.main() else 0)


def _modified(path: Path) -> float:
    """When a file was modified; long ago if a run has removed it meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _summary(run: "Run", model: "RegisteredModel | None") -> dict[str, Any]:
    """A run in short; what was decided on its model since counts more than its outcome."""
    from components.image_example_gen import names as example_names
    from pipeline.registry.history import run_event

    return {
        "id": run.id,
        "started": run.started,
        "nodes": {node.id: node.state for node in run.nodes},
        "images": run.images(example_names.ACCEPTED),
        "model": run.model_number,
        "metrics": run.scores,
        "verdict": model.verdict if model and model.verdict in DECIDED else run_event(run).outcome,
        "live": bool(model and model.live),
        "version": max(model.versions, default=None) if model else None,
    }


def _print_runs(runs: "Sequence[tuple[Run, RegisteredModel | None]]") -> None:
    """Prints one line per run."""
    from collections import Counter

    from pipeline.console.tables import (
        Column,
        cell,
        make_console,
        metrics_cell,
        number,
        print_table,
        text,
    )

    columns = (
        Column("started"),
        text("nodes", optional=1),
        number("images"),
        number("model"),
        text("metrics"),
        Column("verdict"),
        number("version"),
    )
    rows = []
    for run, model in runs:
        shown = _summary(run, model)
        states = Counter(shown["nodes"].values())
        verdict = shown["verdict"]
        live = "[bold green]live[/], " if shown["live"] else ""
        rows.append(
            (
                cell(run.started, "%Y-%m-%d %H:%M"),
                ", ".join(f"{count} {state}" for state, count in states.items()),
                cell(shown["images"], ","),
                cell(shown["model"]),
                metrics_cell(model.limited if model else (), run.scores),
                f"{live}[{COLORS.get(verdict, 'default')}]{verdict or '–'}[/]",
                cell(shown["version"]),
            )
        )
    print_table(make_console(), columns, rows)


def _print_events(happened: "Sequence[Event]", may_run: "Collection[Event | None]") -> None:
    """Prints a table. What has no outcome was cut off, unless it is among those that may run."""
    from pipeline.console.tables import Column, cell, make_console, number, print_table, text

    columns = (
        number("check"),
        Column("started"),
        Column("cause", optional=1),
        number("tries", optional=2),
        Column("outcome"),
        text("message"),
    )
    rows = [
        (
            cell(event.number),
            cell(event.started, "%Y-%m-%d %H:%M"),
            cell(event.cause),
            cell(event.tries or None),
            _outcome_cell(event, may_run),
            cell(event.message or event.found.get("text", "")),
        )
        for event in happened
    ]
    print_table(make_console(), columns, rows)


def _outcome_cell(event: "Event", may_run: "Collection[Event | None]") -> str:
    if event.outcome is None:
        return "running, or cut off" if event in may_run else "[red]cut off[/]"
    return f"[{COLORS.get(event.outcome, 'default')}]{event.outcome}[/]"
