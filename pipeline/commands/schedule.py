"""The commands that run, and look after, a retraining that nobody watches."""

import dataclasses
import importlib.util
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import click

from pipeline.commands.shared_options import DATA, WORKSPACE, config_options, load_config
from trainer.common import exit_codes


@click.command()
@config_options
@DATA
@WORKSPACE
@click.option(
    "--cron",
    required=True,
    metavar='"MIN HOUR DAY MONTH WEEKDAY"',
    help='When to look for new data, for example "0 3 * * *".',
)
@click.option("--timezone", "zone", default="UTC", show_default=True, help="Zone of these times.")
@click.option(
    "--jitter",
    default=0,
    show_default=True,
    type=click.IntRange(0, 86_400),
    metavar="SECONDS",
    help="Start up to so much later, at random.",
)
@click.option(
    "--misfire-grace",
    default=3600,
    show_default=True,
    type=click.IntRange(1, 604_800),
    metavar="SECONDS",
    help="A start that was missed is made up for within this time, once.",
)
def schedule(
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    folder: str | None,
    workspace: Path,
    cron: str,
    zone: str,
    jitter: int,
    misfire_grace: int,
) -> None:
    """Look for new data again and again, and run the pipeline on them.

    Does at each time what `iadb run --if-new-data` does, one at a time. The next time is kept in
    the workspace, where a restart finds it. Ends at Ctrl-C and SIGTERM, when a run that is under
    way has saved its state.
    """
    if importlib.util.find_spec("apscheduler") is None:
        click.echo("iadb: APScheduler is missing: pip install 'iadb-tfx[schedule]'", err=True)
        sys.exit(exit_codes.USAGE)
    from pipeline.config import require_folder
    from pipeline.unattended.runs import IADB
    from pipeline.unattended.scheduler import Plan, run_scheduler
    from pipeline.workspace import Workspace

    place = Workspace(workspace.resolve())
    require_folder(load_config(preset, file, overrides, folder), place.folder)
    command = [*IADB, "run", "--if-new-data", "--cause=schedule", f"--workspace={place.folder}"]
    named = {"preset": preset, "config": file, "data": folder}
    command += [f"--{name}={value}" for name, value in named.items() if value is not None]
    command += [f"--set={override}" for override in overrides]
    plan = Plan(cron, zone, jitter, misfire_grace)
    run_scheduler(place, command, plan, tell=click.echo)


@click.group(invoke_without_command=True)
@config_options
@DATA
@WORKSPACE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def spans(
    ctx: click.Context,
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    folder: str | None,
    workspace: Path,
    as_json: bool,
) -> None:
    """List the spans of the data: what was trained on, what is new, what is held."""
    if ctx.invoked_subcommand is not None:
        return
    from pipeline.commands.schedule_tables import describe_span, print_spans
    from pipeline.config import require_folder
    from pipeline.registry.journal import Journal
    from pipeline.terminal import wide_console
    from pipeline.unattended.new_data import look
    from pipeline.workspace import Workspace

    config = load_config(preset, file, overrides, folder)
    place = Workspace(workspace.resolve())
    require_folder(config, place.folder)
    found = look(config, Journal(place.journal)).spans
    if as_json:
        keys = ("number", "folder", "images", "new", "trained", "late", "in_window")
        listed = [
            {**{key: getattr(span, key) for key in keys}, "state": describe_span(span)}
            for span in found
        ]
        click.echo(json.dumps(listed, indent=2))
    else:
        print_spans(wide_console(), found)


@spans.command()
@click.argument("numbers", metavar="SPAN...", nargs=-1, required=True, type=click.IntRange(0))
@WORKSPACE
def release(numbers: tuple[int, ...], workspace: Path) -> None:
    """Let held spans in again; 0 is a folder without spans.

    The next check finds them as new data.
    """
    from pipeline.registry.journal import Journal
    from pipeline.workspace import Workspace

    journal = Journal(Workspace(workspace).journal)
    held = {n for n, span in journal.held_spans().items() if span.released is None}
    for number in numbers:
        if number not in held:
            raise click.UsageError(
                f"span {number} is not held; {', '.join(map(str, sorted(held))) or 'none'} is"
            )
    for number in numbers:
        journal.release(number, datetime.now(timezone.utc))
    click.echo(f"released: {', '.join(map(str, numbers))}")


@click.command()
@WORKSPACE
@click.option("--last", default=20, show_default=True, type=click.IntRange(1), help="Newest ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history(workspace: Path, last: int, as_json: bool) -> None:
    """List the checks for new data, and what came of each."""
    from pipeline.commands.schedule_tables import print_attempts
    from pipeline.registry.journal import Journal
    from pipeline.terminal import wide_console
    from pipeline.workspace import Workspace

    attempts = Journal(Workspace(workspace).journal).attempts(last)
    if as_json:
        listed = [dataclasses.asdict(attempt) for attempt in attempts]
        click.echo(json.dumps(listed, indent=2, default=str))
    elif attempts:
        print_attempts(wide_console(), attempts)
    else:
        click.echo(f"no attempts in {workspace}")
