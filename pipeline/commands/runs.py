"""The commands `iadb runs`, `iadb history` and `iadb tensorboard`: what ran."""

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import JSON, LAST, WORKSPACE
from pipeline.workspace import Workspace
from trainer.common import exit_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.registry.journal import Attempt


@click.command()
@WORKSPACE
@LAST
def runs(workspace: Workspace, last: int) -> None:
    """List runs with their metrics and verdicts."""
    from pipeline.registry import lineage
    from pipeline.tables import make_console
    from pipeline.terminal import print_runs

    found = lineage.runs(lineage.connect(workspace.metadata), last)
    if found:
        print_runs(make_console(), found)
    else:
        click.echo(f"no runs in {workspace.folder}")


@click.command()
@WORKSPACE
@LAST
@JSON
def history(workspace: Workspace, last: int, as_json: bool) -> None:
    """List checks for new data and their outcomes."""
    from pipeline.registry.journal import Journal

    attempts = Journal(workspace.journal).attempts(last)
    if as_json:
        listed = [dataclasses.asdict(attempt) for attempt in attempts]
        click.echo(json.dumps(listed, indent=2, default=str))
    elif attempts:
        _print_attempts(attempts)
    else:
        click.echo(f"no checks in {workspace.folder}")


@click.command()
@WORKSPACE
def tensorboard(workspace: Workspace) -> None:
    """Open TensorBoard on the newest training, running or done."""
    events = workspace.checkpoints.glob("*/logs/events.out.tfevents.*")
    newest = max(events, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        click.echo(f"iadb: no training in {workspace.folder}; `iadb run` starts one", err=True)
        sys.exit(exit_codes.USAGE)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(newest.parent), host="127.0.0.1")
    sys.exit(board.main())


def _print_attempts(attempts: "Sequence[Attempt]") -> None:
    from pipeline.registry.journal import Outcome
    from pipeline.tables import Column, cell, make_console, number, print_table, text

    colors = {
        Outcome.BLESSED: "green",
        Outcome.NOT_BLESSED: "yellow",
        Outcome.HELD: "yellow",
        Outcome.FAILED: "red",
        Outcome.TIMED_OUT: "red",
        Outcome.INTERRUPTED: "red",
    }
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
            cell(attempt.number),
            cell(attempt.started.astimezone(), "%Y-%m-%d %H:%M"),
            cell(attempt.cause),
            cell(attempt.tries),
            f"[{colors.get(attempt.outcome, 'default')}]"
            f"{attempt.outcome or 'running, or cut off'}[/]",
            cell(attempt.message or attempt.found.get("text", "")),
        )
        for attempt in attempts
    ]
    print_table(make_console(), columns, rows)
