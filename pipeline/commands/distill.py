"""The command `iadb distill`."""

import sys
from typing import Any

import click

from pipeline.commands.shared_options import WORKSPACE
from pipeline.workspace import Workspace
from trainer.common import exit_codes


@click.command()
@click.argument("model", metavar="VERSION_OR_MODEL", type=click.IntRange(1))
@WORKSPACE
@click.option("--nfe", type=click.IntRange(1), help="Network evaluations for an image.")
@click.option("--pairs", type=click.IntRange(1), help="Images that the model draws to learn from.")
@click.option("--steps", type=click.IntRange(2), help="Batches to train the student on.")
@click.option("-v", "--verbose", is_flag=True, help="Show all logs, not only write them to a file.")
def distill(model: int, workspace: Workspace, verbose: bool, **given: Any) -> None:
    """Distill a model into a student that draws in few steps.

    The model draws images from known noise, and the student learns to reach them in few steps. It
    is judged against the model on the same seeds, by the limits that the model was judged by. If it
    is not worse, it becomes live; otherwise nothing changes. What is not given has the default of
    the section `distill` of the configuration.
    """
    workspace.check_exists()
    from pipeline.console.tables import make_console
    from pipeline.distillation.distill import distill_model
    from pipeline.distillation.options import DistillOptions

    options = DistillOptions(**{name: value for name, value in given.items() if value is not None})
    blessed = distill_model(workspace, model, options, make_console(), verbose=verbose)
    if not blessed:
        sys.exit(exit_codes.NOT_BLESSED)
