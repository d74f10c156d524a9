"""The commands `iadb runs` and `iadb tensorboard`: what ran, and what is being trained."""

import os
import sys
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE
from trainer.common import exit_codes


@click.command()
@WORKSPACE
@click.option("--last", default=20, show_default=True, type=click.IntRange(1), help="Newest runs.")
def runs(workspace: Path, last: int) -> None:
    """List the runs of a workspace, with their metrics and verdicts."""
    from pipeline.registry import lineage
    from pipeline.terminal import print_runs, wide_console
    from pipeline.workspace import Workspace

    place = Workspace(workspace)
    found = lineage.runs(lineage.connect(place.metadata), last)
    if not found:
        click.echo(f"no runs in {workspace}")
        return
    print_runs(wide_console(), found)


@click.command()
@WORKSPACE
def tensorboard(workspace: Path) -> None:
    """Open TensorBoard on the newest training, while it runs or afterwards."""
    from pipeline.workspace import Workspace

    events = Workspace(workspace).checkpoints.glob("*/logs/events.out.tfevents.*")
    newest = max(events, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        click.echo(f"iadb: no training in {workspace}; `iadb run` starts one", err=True)
        sys.exit(exit_codes.USAGE)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(newest.parent), host="127.0.0.1")
    sys.exit(board.main())
