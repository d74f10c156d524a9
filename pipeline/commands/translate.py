"""The command `iadb translate`."""

import os
from pathlib import Path

import click

from pipeline import failures
from pipeline.commands.sample import MODEL
from pipeline.commands.shared_options import SEED, WORKSPACE, UserPath
from pipeline.workspace import Workspace
from trainer.common.text import quantity


@click.command()
@click.argument("files", nargs=-1, required=True, type=UserPath(exists=True, dir_okay=False))
@WORKSPACE
@MODEL
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FOLDER",
    type=UserPath(file_okay=False),
    help="Folder for the results, NAME.png each; made if it is missing.",
)
@click.option(
    "--seed", show_default="0", type=SEED, help="First seed, if the model gives several results."
)
@click.option(
    "--answers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Results for each file, NAME-1.png and so on, if the model gives several.",
)
@click.option(
    "--label", default="", metavar="NAME", help="Class of the results, if the model is conditional."
)
def translate(
    files: tuple[Path, ...],
    workspace: Workspace,
    model: Path | None,
    output: Path,
    seed: int | None,
    answers: int,
    label: str,
) -> None:
    """Translate image files with a model.

    The model was trained with data.source or data.degrade; files are not degraded, but
    reduced for a model that enlarges, and freed of colors for one that adds them.
    """
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.logs import logging_to
    from pipeline.registry import serving
    from pipeline.translation.files import plan_outputs, translate_files

    model = serving.read_model(
        serving.find_model(workspace.serving, model), "nb_step", "shape", "limits"
    )
    planned = plan_outputs(files, output, answers)
    notes: list[str] = []
    try:
        with (
            logging_to(Path(os.devnull), verbose=False),  # TensorFlow logs when it starts
            showing(make_console(), f"{quantity(len(planned), 'file')} by {model}"),
        ):
            count = translate_files(model, planned, seed, label, notes.append)
    finally:
        for note in notes:  # in the block above, standard error is closed to them
            failures.say(note, error=True)
    click.echo(f"{quantity(count, 'file')} translated by {model}: {output}")
