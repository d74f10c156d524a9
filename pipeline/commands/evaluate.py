"""The commands `iadb evaluate` and `iadb digest`: evaluations outside a pipeline."""

import sys
import time
from pathlib import Path

import click

from pipeline.commands.shared_options import ConfigArguments, UserPath, config_options
from trainer.common import exit_codes


@click.command()
@click.argument("candidate", metavar="MODEL_OR_FOLDER", type=UserPath())
@click.option(
    "--real",
    required=True,
    metavar="FOLDER",
    type=UserPath(),
    help="Real images to compare with.",
)
@click.option(
    "--train",
    "training",
    metavar="FOLDER",
    type=UserPath(),
    help="Training images, for the floor and memorization; default: half of --real, by hash.",
)
@click.option(
    "--baseline",
    metavar="MODEL_OR_FOLDER",
    type=UserPath(),
    help="Sampler or images to compare with, as a pipeline does with its latest blessed model.",
)
@config_options
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=UserPath(),
    help="New folder for the results; default: evaluation-DATE-TIME.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show all logs, not only write them to a file.")
def evaluate(
    candidate: Path,
    real: Path,
    training: Path | None,
    baseline: Path | None,
    arguments: ConfigArguments,
    output: Path | None,
    verbose: bool,
) -> None:
    """Judge a model or a folder of images outside a pipeline.

    MODEL_OR_FOLDER is a sampler SavedModel, such as a version in workspace/serving, or a folder of
    images to judge in place of its samples. Metrics, report and verdict are the same as in a
    pipeline. --baseline takes the place of the latest blessed model: the candidate must not be
    worse. Only the sections data, evaluate and beam of the configuration apply; a model brings its
    own resolution and channels. Without --preset and --config, the defaults apply.
    """
    try:
        from pipeline.console.tables import make_console
        from pipeline.evaluation.evaluate import evaluate_candidate

        config = arguments.load(default_preset=None)
        output = output or Path(time.strftime("evaluation-%Y%m%d-%H%M%S"))
        blessed = evaluate_candidate(
            candidate, baseline, real, training, config, output, make_console(), verbose=verbose
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("this evaluation was discarded") from None
    if not blessed:
        sys.exit(exit_codes.NOT_BLESSED)


@click.command()
@click.argument("uri")
def digest(uri: str) -> None:
    """Print the SHA-256 of weights, for evaluate.features.sha256.

    URI is a file or a folder.
    """
    from components.features import digest

    click.echo(digest.digest(uri))
