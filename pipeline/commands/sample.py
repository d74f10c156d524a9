"""The commands `iadb sample` and `iadb serve-check`."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.shared_options import (
    SEED,
    WORKSPACE,
    OutputFile,
    OutputPath,
    UserPath,
)
from pipeline.workspace import Workspace
from trainer.common import xmp
from trainer.common.text import list_some, quantity

if TYPE_CHECKING:
    from trainer.serving.stored_model import StoredModel

ROWS = 16  # of source, result and image below each other
COUNT, MOST = 64, 10_000  # images
MODEL = click.option(
    "--model",
    type=UserPath(),
    metavar="FOLDER",
    help="SavedModel to use; default: the newest version.",
)


class Seeds(click.ParamType):
    """Seeds and ranges of them, both ends included: `3,17,40-55`."""

    name = "seeds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Returns the seeds, in the order in which they are named."""
        seeds: list[int] = []
        for part in value.split(","):
            found = re.fullmatch(r"\s*([0-9]{1,18})(?:-([0-9]{1,18}))?\s*", part)
            if not found:
                self.fail(
                    f"{part.strip()!r} is neither a seed nor a range such as 40-55", param, ctx
                )
            first, last = int(found[1]), int(found[2] or found[1])
            if first > last:
                self.fail(f"{part.strip()}: a range begins with its lower end", param, ctx)
            if len(seeds) + last - first >= MOST:
                self.fail(f"are more than {MOST:,}", param, ctx)
            seeds += range(first, last + 1)
        return seeds


class Samples(OutputFile):
    """A PNG file, or for one of each image a folder: it is there, or its name ends in a slash."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Returns the path; `is_dir` tells which, since a folder is made now."""
        folder = Path(os.path.expanduser(value))
        if not (str(value).endswith("/") or folder.is_dir()):
            return super().convert(value, param, ctx)
        folder = OutputPath().convert(value, param, ctx)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            self.fail(f"{folder} cannot be made: {error.strerror}", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"the folder {folder} cannot be written", param, ctx)
        return folder


@click.command()
@WORKSPACE
@MODEL
@click.option("--count", type=click.IntRange(1, MOST), help=f"Images; default: {COUNT}.")
@click.option("--seed", type=SEED, help="First seed; default: 0.")
@click.option(
    "--seeds", type=Seeds(), metavar="LIST", help="In place of both, for example 3,17,40-55."
)
@click.option("--steps", type=click.IntRange(1, 10_000), help="Solver steps; default: the model's.")
@click.option(
    "--solver", metavar="NAME", help="euler, midpoint, heun or rk4; default: the model's."
)
@click.option(
    "--guidance",
    type=float,
    metavar="WEIGHT",
    help="Of the label, in a conditional model: above 1, images are clearer and vary less.",
)
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
    type=Samples(".png"),
    help="PNG file for a grid, or a folder for a file of each image, at its own size.",
)
@click.option(
    "--gif",
    type=OutputFile(".gif"),
    help="Also write the path from noise to image as an animated GIF.",
)
def sample(
    workspace: Workspace,
    model: Path | None,
    count: int | None,
    seed: int | None,
    seeds: Sequence[int] | None,
    steps: int | None,
    solver: str | None,
    guidance: float | None,
    label: str | None,
    output: Path,
    gif: Path | None,
) -> None:
    """Draw images from a model, as a PNG grid or as files.

    Classes that are drawn in turn have columns of their own, up to 16 of them.

    A model that translates draws from held-out sources: rows of source, result and image, which
    sources that are not paired with images (data.pairing=none) lack.
    """
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.drawing import (
        GIF_IMAGES,
        draw_samples,
        draw_trajectories,
        write_each,
        write_gif,
        write_grid,
    )
    from pipeline.logs import logging_to
    from pipeline.registry import serving
    from trainer.common.image_grid import MAX_COLUMNS, columns_of_classes

    if seeds is not None and (seed is not None or count is not None):
        raise click.BadParameter("takes the place of --seed and --count", param_hint="--seeds")
    first = seed or 0
    seeds = seeds or range(first, first + (count or COUNT))
    count = len(seeds)
    if gif and gif.absolute() == output.absolute():
        raise click.BadParameter("is the file of the grid; name another one", param_hint="--gif")
    if gif and count > GIF_IMAGES:
        raise click.BadParameter(f"--gif shows at most {GIF_IMAGES} images", param_hint="--count")
    model = serving.read_model(serving.find_model(workspace.serving, model), "nb_step")
    if label is not None:
        label = model.known_label(label)
    if steps:
        model.check_steps(steps)
    choice = model.choice(solver, guidance)
    if source := model.about.source:
        if gif:
            raise click.BadParameter("shows the path from noise alone", param_hint="--gif")
        if output.is_dir() or not isinstance(seeds, range):
            raise click.UsageError(
                f"{model} translates: it takes --seed and --count, and writes a grid; "
                "`iadb translate` writes a file for each image"
            )
        _show_translations(
            workspace,
            model,
            count,
            first if source.draws_noise else None,
            {"nb_step": steps, "label": label, "choice": choice},
            output,
        )
        return
    files = _files(output, seeds) if output.is_dir() else []
    samples = f"{quantity(count, 'sample')} of {model}"
    notes: list[str] = []
    classes = [*dict.fromkeys(model.labels_of(seeds, label))]
    columns = columns_of_classes(count, len(classes))
    how = {"label": label, "choice": choice, "warn": notes.append}
    with (
        logging_to(Path(os.devnull), verbose=False),  # TensorFlow logs when it starts
        showing(make_console(), samples),
    ):
        if gif:
            trajectories = draw_trajectories(model, seeds, steps, **how)
            images = trajectories[:, -1]
        else:
            images = draw_samples(model, seeds, steps, **how)
        if files:
            write_each(images, files, model.mark)
        else:
            write_grid(images, output, model.mark, columns)
        if gif:
            write_gif(trajectories, gif, model.mark, columns)
    for note in notes:
        click.echo(f"iadb: {note}", err=True)
    written = f"{output} and {gif}" if gif else output
    if isinstance(seeds, range) and count > 1:
        drawn = f"seeds {seeds[0]} to {seeds[-1]}"
    else:
        drawn = f"{'seeds' if count > 1 else 'seed'} {list_some([*map(str, seeds)], MAX_COLUMNS)}"
    click.echo(f"{samples}, {drawn}: {written}")
    if len(classes) > 1:
        in_columns = "in columns, " if columns and not files else ""
        click.echo(f"classes, {in_columns}in turn: {list_some(classes, MAX_COLUMNS)}")


def _files(folder: Path, seeds: Sequence[int]) -> list[Path]:
    """A file for each seed; reports one that is there and that no command drew."""
    files = [folder / f"{seed:06}.png" for seed in seeds]
    for file in files:
        if file.is_file() and (reason := xmp.why_kept(file)):
            raise click.BadParameter(f"{file} {reason}; name another folder", param_hint="--output")
    return files


def _show_translations(
    workspace: Workspace,
    model: "StoredModel",
    count: int,
    seed: int | None,
    how: Mapping[str, Any],
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
        rows = draw_rows(workspace, model, count, seed or 0, **how)
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
