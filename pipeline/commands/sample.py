"""The commands `iadb sample` and `iadb serve-check`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import SEED, WORKSPACE, OutputFile, UserPath
from pipeline.workspace import Workspace
from trainer.common.text import list_some, quantity

if TYPE_CHECKING:
    from trainer.serving.stored_model import StoredModel

ROWS = 16  # of source, result and image below each other
MODEL = click.option(
    "--model",
    type=UserPath(),
    metavar="FOLDER",
    help="SavedModel to use; default: the newest version.",
)


@click.command()
@WORKSPACE
@MODEL
@click.option("--count", default=64, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--seed", default=0, show_default=True, type=SEED, help="First seed.")
@click.option("--steps", type=click.IntRange(1, 10_000), help="Solver steps; default: the model's.")
@click.option(
    "--label",
    metavar="NAME",
    help="Class to draw, if the model is conditional. Default: each in turn, or of a model that "
    "translates, that of each held-out image, if it has one. An empty name is any class.",
)
@click.option(
    "-o",
    "--output",
    default="samples.png",
    show_default=True,
    type=OutputFile(".png"),
)
@click.option(
    "--gif",
    type=OutputFile(".gif"),
    help="Also write the path from noise to image as an animated GIF.",
)
def sample(
    workspace: Workspace,
    model: Path | None,
    count: int,
    seed: int,
    steps: int | None,
    label: str | None,
    output: Path,
    gif: Path | None,
) -> None:
    """Draw images from a model as a PNG grid.

    Classes that are drawn in turn have columns of their own, up to 16 of them.

    A model that translates draws from held-out sources: rows of source, result and image, which
    sources that are not paired with images (data.pairing=none) lack.
    """
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.drawing import GIF_IMAGES, draw_samples, draw_trajectories, write_gif, write_grid
    from pipeline.logs import logging_to
    from pipeline.registry import serving
    from trainer.common.image_grid import MAX_COLUMNS, columns_of_classes

    if gif and gif.absolute() == output.absolute():
        raise click.BadParameter("is the file of the grid; name another one", param_hint="--gif")
    if gif and count > GIF_IMAGES:
        raise click.BadParameter(f"--gif shows at most {GIF_IMAGES} images", param_hint="--count")
    model = serving.read_model(serving.find_model(workspace.serving, model), "nb_step")
    if label is not None:
        label = model.known_label(label)
    if steps:
        model.check_steps(steps)
    if source := model.about.source:
        if gif:
            raise click.BadParameter("shows the path from noise alone", param_hint="--gif")
        first = seed if source.draws_noise else None
        _show_translations(workspace, model, count, first, steps, label, output)
        return
    samples = f"{quantity(count, 'sample')} of {model}"
    seeds = range(seed, seed + count)
    notes: list[str] = []
    classes = [*dict.fromkeys(model.labels_of(seeds, label))]
    columns = columns_of_classes(count, len(classes))
    how = {"label": label, "warn": notes.append}
    with (
        logging_to(Path(os.devnull), verbose=False),  # TensorFlow logs when it starts
        showing(make_console(), samples),
    ):
        if gif:
            trajectories = draw_trajectories(model, seeds, steps, **how)
            images = trajectories[:, -1]
        else:
            images = draw_samples(model, seeds, steps, **how)
        write_grid(images, output, model.mark, columns)
        if gif:
            write_gif(trajectories, gif, model.mark, columns)
    for note in notes:
        click.echo(f"iadb: {note}", err=True)
    written = f"{output} and {gif}" if gif else output
    drawn = f"seeds {seed} to {seeds[-1]}" if count > 1 else f"seed {seed}"
    click.echo(f"{samples}, {drawn}: {written}")
    if len(classes) > 1:
        in_columns = "in columns, " if columns else ""
        click.echo(f"classes, {in_columns}in turn: {list_some(classes, MAX_COLUMNS)}")


def _show_translations(
    workspace: Workspace,
    model: "StoredModel",
    count: int,
    seed: int | None,
    steps: int | None,
    label: str | None,
    output: Path,
) -> None:
    """Writes the grid; the seed is None where a source has one answer."""
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.drawing import write_grid
    from pipeline.logs import logging_to
    from pipeline.translation.held_out import draw_rows

    with (
        logging_to(Path(os.devnull), verbose=False),
        showing(make_console(), f"translations by {model}"),
    ):
        rows = draw_rows(workspace, model, count, seed or 0, steps, label)
        columns = rows.shape[1] * (1 + (len(rows) - 1) // ROWS)
        write_grid(rows.reshape(-1, *rows.shape[2:]), output, model.mark, columns)
    start = "" if seed is None else f", from seed {seed}"
    sources = quantity(len(rows), "held-out source")
    click.echo(f"{sources} translated by {model}{start}: {output}")


@click.command("serve-check")
@WORKSPACE
@MODEL
def serve_check(workspace: Workspace, model: Path | None) -> None:
    """Load a model without this project and call its signatures."""
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.registry import serving

    model = serving.find_model(workspace.serving, model)
    serving.read_metadata(model)  # damaged ones are reported with their file and field
    with showing(make_console(), f"checking {model}"):
        result = serving.check(model)
    click.echo(result.stdout, nl=False)
    if result.returncode:
        raise serving.ServeCheckError(f"{model} {serving.describe_failure(result)}")
    click.echo(f"{model} serves")
