"""The command `iadb`. Heavy libraries are imported by the commands that need them."""

import contextlib
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from typing import IO, Any

import click

from pipeline import failures
from pipeline.commands.clean import clean
from pipeline.commands.config import config
from pipeline.commands.dashboard import dashboard
from pipeline.commands.data import data
from pipeline.commands.distill import distill
from pipeline.commands.evaluate import digest, evaluate
from pipeline.commands.export import export
from pipeline.commands.init import init
from pipeline.commands.kubeflow import kubeflow
from pipeline.commands.models import models, promote, rollback
from pipeline.commands.run import run
from pipeline.commands.runs import history, runs, tensorboard
from pipeline.commands.sample import sample, serve_check
from pipeline.commands.schedule import notify_test, schedule
from pipeline.commands.serve import serve
from pipeline.commands.spans import spans
from pipeline.commands.translate import translate
from trainer.common import exit_codes
from trainer.common.text import printable

PROGRAM = "iadb"
CAPITALIZED = ("Got ", "Invalid ", "Missing ", "No such ", "Option ")  # sentences of click
LINE_END = re.compile(r"\s*\n\s*")


class WrongUsage(click.UsageError):
    """A wrong use of a command, as one line."""

    def show(self, file: IO[str] | None = None) -> None:
        """Prints the line."""
        click.echo(self.message, file=file, err=file is None)


@contextlib.contextmanager
def usage_in_one_line(group: click.Context | None = None) -> Iterator[None]:
    """Turns what click says of a wrong use in several lines into one.

    Args:
        group: that runs one of its commands; None while it is made.
    """
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        if error.ctx:
            place = error.ctx.command_path
        else:  # of an option without its value, click does not say the command
            place = f"{PROGRAM} {group.invoked_subcommand}" if group else PROGRAM
        if similar := getattr(error, "possibilities", None):
            text = f"{error.message.rstrip('.')}; did you mean {' or '.join(similar)}?"
        else:
            # A list of choices has a line for each.
            text = LINE_END.sub(" ", error.format_message()).rstrip(".")
            text = f"{text}; see {place} --help"
        if text.startswith(CAPITALIZED):
            text = text[0].lower() + text[1:]
        raise WrongUsage(printable(f"{place}: {text}"), error.ctx) from None


def _reader_has_left() -> bool:
    """Whether nothing reads the output any more, as after `iadb ... | head -1`."""
    output = select.poll()
    output.register(1, 0)  # errors are always reported
    return any(event & select.POLLERR for _, event in output.poll(0))


class IadbGroup(click.Group):
    """Reports an error in one line, with an exit code by its cause."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parses the options before the command."""
        with usage_in_one_line():
            return super().make_context(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            with usage_in_one_line(ctx):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            if isinstance(error, BrokenPipeError) and _reader_has_left():
                raise  # click ends without a word
            if isinstance(error, SystemExit) and error.code != exit_codes.TERMINATED:
                raise  # the command has said why
            code, text = failures.describe(error)
            click.echo(f"iadb: {text}", err=True)
            ctx.exit(code)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program.

        An interrupted Beam may leave a thread that never ends and that Python would wait for.
        """
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # an encoding may lack the marks of a run
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit as end:
            if end.code in (exit_codes.INTERRUPTED, exit_codes.TERMINATED):
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code)
            raise


@click.group(cls=IadbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iadb-tfx")
def main() -> None:
    """Turn a folder of images into a served generative model.

    \b
      iadb init pictures/                      write a configuration for them, with comments
      iadb run --data pictures/                look at your images, then train, evaluate, push
      iadb data write digits digits/           write a known dataset
      iadb run --preset digits --data digits/  and train on it as the preset sets
      iadb sample                              draw images with the live model
      iadb serve                               play with it in a browser, and call it over HTTP
      iadb schedule --cron "0 3 * * *" ...     retrain on new images every night

    Exit codes: 0 success, 1 unexpected error, 2 wrong usage or configuration, 3 wrong data,
    4 cannot write: workspace in use, read-only or full, 5 model not blessed or withdrawn,
    6 Kubeflow is unreachable, rejects the request, or the run failed there, 7 data held for
    review, 8 the storage of the images does not answer, or refuses the credentials, 124 timed
    out, 130 interrupted, 143 terminated.
    """


COMMANDS = (  # the most needed first, as in the help
    run,
    init,
    sample,
    serve,
    translate,
    export,
    data,
    config,
    evaluate,
    distill,
    models,
    rollback,
    promote,
    runs,
    dashboard,
    tensorboard,
    schedule,
    history,
    spans,
    clean,
    notify_test,
    serve_check,
    digest,
    kubeflow,
)
for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
