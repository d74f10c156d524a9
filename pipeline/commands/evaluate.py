"""The commands `iadb evaluate` and `iadb digest`: evaluations outside a pipeline."""

import sys
import time
from contextlib import suppress
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
    help="Training images, for the floor and memorization; default: those of --real that a model's "
    "training did not hold out; for folders of images, half of --real, by hash.",
)
@click.option(
    "--source",
    "sources",
    metavar="FOLDER",
    type=UserPath(),
    help="Sources, for a model that was trained with data.source; of pairs, those of --real, under "
    "the same names.",
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
    sources: Path | None,
    baseline: Path | None,
    arguments: ConfigArguments,
    output: Path | None,
    verbose: bool,
) -> None:
    """Judge a model or a folder of images outside a pipeline.

    MODEL_OR_FOLDER is a sampler SavedModel, such as a version in workspace/serving, or a folder of
    images to judge in place of its samples. Metrics, report and verdict are the same as in a
    pipeline. --baseline takes the place of the latest blessed model: the candidate must not be
    worse. Without --preset and --config, the defaults apply, and without a model, images are
    converted as a look at --real chooses, in a size that suits all, up to 256 pixels.

    Of the configuration, the sections evaluate and beam apply, and these keys of data: resolution
    and channels (a model brings its own), fit, background, min_size, max_pixels, max_rejected, and
    without --train, eval_percent (of a model), group_pattern and near_duplicates. Then a model is
    compared with those images of --real that its training held out. It records these, fit and
    background; what is set here has precedence. With data.pattern, it is rejected: all images in a
    folder are read, so name the folder of one span.
    """
    try:
        from components.image_example_gen.errors import ImageDataError
        from pipeline.choosing.chosen import configure_images
        from pipeline.config.values import ConfigError
        from pipeline.console.tables import make_console
        from pipeline.evaluation.evaluate import evaluate_candidate
        from pipeline.evaluation.inputs import SAVED_MODEL

        config, notes, remarks = arguments.load_as_given(), (), ()
        folders = [candidate, *([baseline] if baseline else [])]
        # A model brings its own conversion.
        if arguments.is_default and not any((each / SAVED_MODEL).is_file() for each in folders):
            with suppress(ConfigError, ImageDataError):  # which the evaluation itself will report
                judged = [str(each.absolute()) for each in folders]
                choice = configure_images(
                    str(real.absolute()),
                    arguments.overrides,
                    judged,
                    str(training.absolute()) if training else None,
                )
                config, notes, remarks = choice.config, choice.lines, choice.warnings
        output = output or Path(time.strftime("evaluation-%Y%m%d-%H%M%S"))
        blessed = evaluate_candidate(
            candidate,
            baseline,
            real,
            training,
            config,
            output,
            make_console(),
            verbose=verbose,
            notes=notes,
            remarks=remarks,
            sources=sources,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("this evaluation was discarded") from None
    if not blessed:
        sys.exit(exit_codes.NOT_BLESSED)


@click.command()
@click.argument("uri")
def digest(uri: str) -> None:
    """Print the SHA-256 of weights, for evaluate.features.sha256.

    URI is a path, or begins with gs://.
    """
    from components.features import digest

    click.echo(digest.digest(uri))
