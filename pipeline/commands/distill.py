"""The command `iadb distill`."""

import sys
from typing import Any

import click

from pipeline.commands.shared_options import WORKSPACE_TO_RUN_IN, FiniteRange
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.text import shorten


def _by_metric(
    ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, float] | None:
    """The numbers by the name of their metric; None without any."""
    from pydantic import ValidationError

    from pipeline.distillation.options import DistillOptions
    from trainer.common.validation import explain_reason

    values = {}
    for each in given:
        name, _, number = each.partition("=")
        try:
            values |= DistillOptions(max_worsening={name: number}).max_worsening
        except ValidationError as error:
            reason = explain_reason(error.errors()[0])
            raise click.BadParameter(f"{shorten(repr(each))}: {reason}") from None
    return values or None


@click.command()
@click.argument("model", metavar="VERSION_OR_MODEL", type=click.IntRange(1))
@WORKSPACE_TO_RUN_IN
@click.option("--nfe", type=click.IntRange(1), help="Network evaluations for an image.")
@click.option(
    "--steps",
    type=click.IntRange(2),
    help="Batches to train the student on; see distill.steps.",
)
@click.option(
    "--learning-rate",
    type=FiniteRange(0, min_open=True),
    help="Peak learning rate of the student.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Images that are drawn, trained on and judged at a time; by default as by the model's "
    "run. Fewer take less memory.",
)
@click.option(
    "--max-worsening",
    multiple=True,
    metavar="METRIC=NUMBER",
    callback=_by_metric,
    help="How much worse than the model it may be, for example kid=0.005; may be repeated.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show all logs, not only write them to a file.")
def distill(
    model: int, workspace: Workspace, batch_size: int | None, verbose: bool, **given: Any
) -> None:
    """Distill a model into a student that draws in few steps.

    The student learns from the model where longer steps lead. It is judged against the model on the
    same seeds, by the limits that the model was judged by. If it is not worse, it becomes live;
    otherwise nothing changes.

    Other options that are omitted have the built-in defaults of the section `distill`, whatever the
    configuration of the model's run sets; `iadb config show` prints them.
    """
    workspace.check_exists()
    from pipeline.console.tables import make_console
    from pipeline.distillation.distill import distill_model
    from pipeline.distillation.options import DistillOptions

    options = DistillOptions(**{name: value for name, value in given.items() if value is not None})
    console = make_console()
    blessed = distill_model(
        workspace, model, options, console, batch_size=batch_size, verbose=verbose
    )
    if not blessed:
        sys.exit(exit_codes.NOT_BLESSED)
