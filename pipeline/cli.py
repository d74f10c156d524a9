"""The command `iadb`. Heavy libraries are imported by the commands that need them."""

import os
import sys
from typing import Any

import click

from pipeline import failures
from pipeline.commands.clean import clean
from pipeline.commands.config import config
from pipeline.commands.dashboard import dashboard
from pipeline.commands.data import data
from pipeline.commands.evaluate import digest, evaluate
from pipeline.commands.kubeflow import kubeflow
from pipeline.commands.models import models, promote, rollback
from pipeline.commands.notify_test import notify_test
from pipeline.commands.run import run
from pipeline.commands.runs import runs, tensorboard
from pipeline.commands.sample import sample, serve_check
from pipeline.commands.schedule import history, schedule, spans
from trainer.common import exit_codes


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
            if end.code in (exit_codes.INTERRUPTED, exit_codes.TERMINATED):
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


COMMANDS = (
    run,
    data,
    sample,
    evaluate,
    schedule,
    spans,
    history,
    runs,
    models,
    rollback,
    promote,
    clean,
    dashboard,
    tensorboard,
    serve_check,
    config,
    digest,
    notify_test,
    kubeflow,
)
for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
