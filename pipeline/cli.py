"""The command `iadb`. Heavy libraries are imported by the commands that need them."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from pipeline import failures
from pipeline.cli_options import WORKSPACE, config_options
from pipeline.config_cli import config
from pipeline.dashboard_cli import dashboard
from pipeline.kubeflow_cli import kubeflow
from pipeline.models_cli import models, promote, rollback
from pipeline.notify_cli import notify_test
from pipeline.retention_cli import clean
from pipeline.run_cli import run
from pipeline.schedule_cli import history, schedule, spans
from trainer.signals import TERMINATED


class FailuresInOneLine(click.Group):
    """Ends a command that fails with one line and an exit code by its cause."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            code, text = failures.describe(error)
            click.echo(f"iadb: {text}", err=True)
            ctx.exit(code)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the script `iadb` calls.

        A Beam that was interrupted at the wrong moment leaves a thread that never ends, and Python
        would wait for it.
        """
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit as end:
            if end.code in (failures.INTERRUPTED, TERMINATED):
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code)
            raise


@click.group(cls=FailuresInOneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iadb-tfx")
def main() -> None:
    """From a folder of images to a served generative model.

    \b
      iadb data write digits digits/           make an image folder, or take your own
      iadb run --preset digits --data digits/  ingest, train, evaluate, push
      iadb sample                              draw from the newest pushed model
      iadb schedule --cron "0 3 * * *" ...     the same on new images, every night

    Exit codes: 0 done, 1 unexpected failure, 2 wrong usage or configuration, 3 wrong data,
    4 workspace in use, read-only or full, 5 done but the model was not blessed or was withdrawn, 6
    the cluster is not reached, refuses, or its run failed, 7 the data wait for a person, 124 took
    too long, 130 interrupted, 143 terminated.
    """


@main.group()
def data() -> None:
    """Make image folders out of known datasets."""


@data.command("list")
def list_datasets() -> None:
    """List the datasets with their licenses."""
    from data.registry import DATASETS

    for name, dataset in DATASETS.items():
        click.echo(f"{name:<14} {dataset.description} ({dataset.license})")


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--source", help="Local copy or URL of the dataset's archive or folder.")
def write(name: str, folder: Path, source: str | None) -> None:
    """Write dataset NAME as an image folder."""
    from data import registry

    click.echo(f"{registry.write(name, folder, source):,} images in {folder}")


@main.command()
@WORKSPACE
@click.option("--model", type=click.Path(path_type=Path), help="Instead of the newest pushed one.")
@click.option("--count", default=64, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="First seed.")
@click.option("--steps", type=click.IntRange(1, 10_000), help="Solver steps; default: the model's.")
@click.option(
    "--label", default="", metavar="NAME", help="Class of the images, of a conditional model."
)
@click.option(
    "-o",
    "--output",
    default="samples.png",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--gif",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the way from noise to the images, as an animated GIF.",
)
def sample(
    workspace: Path,
    model: Path | None,
    count: int,
    seed: int,
    steps: int | None,
    label: str,
    output: Path,
    gif: Path | None,
) -> None:
    """Draw images from a pushed model and write them as one PNG grid."""
    from pipeline import serving
    from pipeline.logs import logging_to
    from pipeline.workspace import Workspace

    if gif and count > serving.GIF_IMAGES:
        raise click.BadParameter(
            f"--gif shows at most {serving.GIF_IMAGES} images", param_hint="--count"
        )
    model = model or serving.latest_model(Workspace(workspace).serving)
    if label:
        serving.check_label(model, label)
    seeds = range(seed, seed + count)
    with logging_to(Path(os.devnull), verbose=False):  # TensorFlow talks when it starts
        if gif:
            trajectories = serving.draw_trajectories(model, seeds, steps, label=label)
            images = trajectories[:, -1]
        else:
            images = serving.draw_samples(model, seeds, steps, label=label)
    serving.write_grid(images, output)
    if gif:
        serving.write_gif(trajectories, gif)
    written = f"{output} and {gif}" if gif else output
    click.echo(f"{count} samples of {model}, seeds {seed} to {seed + count - 1}: {written}")


@main.command()
@click.argument("candidate", metavar="MODEL_OR_FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--real",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Real images to compare with.",
)
@click.option(
    "--train",
    "training",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Training images, for the floor and memorization; default: half of --real, by hash.",
)
@config_options
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder to make for the results; default: evaluation-DATE-TIME.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show all logs, not only write them to a file.")
def evaluate(
    candidate: Path,
    real: Path,
    training: Path | None,
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    output: Path | None,
    verbose: bool,
) -> None:
    """Judge a model, or a folder of images, outside a pipeline.

    MODEL_OR_FOLDER is a sampler SavedModel, such as a version in workspace/serving, or a folder of
    images in place of its samples. Metrics, report and verdict are those of a pipeline. Of the
    configuration, data (for a model without resolution and channels, which are its own), evaluate
    and beam count; without --preset and --config, the defaults.
    """
    from pipeline.config import load
    from pipeline.evaluation import evaluate_candidate
    from pipeline.terminal import wide_console

    config = load(preset, file, overrides)
    output = output or Path(time.strftime("evaluation-%Y%m%d-%H%M%S"))
    if not evaluate_candidate(
        candidate, real, training, config, output, wide_console(), verbose=verbose
    ):
        sys.exit(failures.NOT_BLESSED)


@main.command()
@WORKSPACE
def tensorboard(workspace: Path) -> None:
    """Open TensorBoard on the newest training, while it runs or afterwards."""
    from pipeline.workspace import Workspace

    events = Workspace(workspace).checkpoints.glob("*/logs/events.out.tfevents.*")
    newest = max(events, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        click.echo(f"iadb: no training in {workspace}; `iadb run` starts one", err=True)
        sys.exit(failures.USAGE)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(newest.parent), host="127.0.0.1")
    sys.exit(board.main())


@main.command()
@WORKSPACE
@click.option("--last", default=20, show_default=True, type=click.IntRange(1), help="Newest runs.")
def runs(workspace: Path, last: int) -> None:
    """List the runs of a workspace, with their metrics and verdicts."""
    from pipeline import lineage
    from pipeline.terminal import print_runs, wide_console
    from pipeline.workspace import Workspace

    place = Workspace(workspace)
    found = lineage.runs(lineage.connect(place.metadata), last) if place.metadata.exists() else []
    if not found:
        click.echo(f"no runs in {workspace}")
        return
    print_runs(wide_console(), found)


@main.command()
@click.argument("uri")
def digest(uri: str) -> None:
    """Print the SHA-256 of a file or folder, which pins weights: evaluate.features.sha256."""
    from components.sample_evaluator.features import digest

    click.echo(digest.digest(uri))


@main.command("serve-check")
@WORKSPACE
@click.option("--model", type=click.Path(path_type=Path), help="Instead of the newest pushed one.")
def serve_check(workspace: Path, model: Path | None) -> None:
    """Load a pushed model without this project and call every signature."""
    from pipeline import serving
    from pipeline.workspace import Workspace

    model = model or serving.latest_model(Workspace(workspace).serving)
    result = serving.check(model)
    click.echo(result.stdout, nl=False)
    if result.returncode:
        raise click.ClickException(f"{model} {serving.describe_failure(result)}")
    click.echo(f"{model} serves")


COMMANDS = (
    run,
    schedule,
    spans,
    history,
    models,
    rollback,
    promote,
    clean,
    dashboard,
    config,
    notify_test,
    kubeflow,
)
for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
