"""The commands `iadb spans`."""

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import (
    DATA,
    JSON,
    WORKSPACE,
    ConfigArguments,
    config_options,
    refuse_options_before,
)
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.unattended.new_data import SpanState

JSON_KEYS = ("number", "folder", "images", "new", "trained", "late", "in_window")


@click.group(invoke_without_command=True)
@config_options
@DATA
@WORKSPACE
@JSON
@click.pass_context
def spans(
    ctx: click.Context, arguments: ConfigArguments, workspace: Workspace, as_json: bool
) -> None:
    """List the spans of the data: trained, new or held."""
    if ctx.invoked_subcommand is not None:
        refuse_options_before(ctx)
        return
    from pipeline.config.sections import require_folder
    from pipeline.console.tables import cell, make_console, number, print_table, text
    from pipeline.registry.journal import Journal
    from pipeline.unattended.new_data import look

    config = arguments.load_as_given()
    require_folder(config.data, workspace.folder)
    found = look(config, Journal(workspace.journal, config.data.folder)).spans
    if as_json:
        listed = [
            {
                **{key: getattr(span, key) for key in JSON_KEYS},
                "state": _describe(span, config.data.paired_source),
            }
            for span in found
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    columns = number("span"), text("folder"), number("images"), text("state")
    rows = [
        (
            cell(span.number),
            cell(span.folder or None),
            cell(span.images, ","),
            cell(_describe(span, config.data.paired_source)),
        )
        for span in found
    ]
    print_table(make_console(), columns, rows)


@spans.command()
@click.argument("numbers", metavar="SPAN...", nargs=-1, required=True, type=click.IntRange(0))
@WORKSPACE
def release(numbers: tuple[int, ...], workspace: Workspace) -> None:
    """Accept held spans of whatever folder; 0 is a folder without spans.

    The next check finds them as new data, if they are within data.window.
    """
    workspace.check_exists()
    from pipeline.registry.journal import Journal

    journal = Journal(workspace.journal)
    held = journal.unreleased()
    for number in numbers:
        if number not in held:
            raise click.UsageError(
                f"span {number} is not held; held: {', '.join(map(str, held)) or 'none'}"
            )
    for number in numbers:
        journal.release(number, datetime.now(timezone.utc))
    released = ", ".join(map(str, numbers))
    click.echo(f"released: {released}; the next check reads them if they are within data.window")


def _describe(span: "SpanState", paired: str | None) -> str:
    """What became of a span, and what the next run does with it, in a few words.

    Args:
        span: to describe.
        paired: folder of sources that are paired with images; None without.
    """
    if span.held and not span.held.released:
        return f"held: {span.held.reason}"
    if span.unlisted:
        return "outside data.window, and not all of it can be read"
    if span.images is None:
        return "excluded"
    words = ["trained"] if span.trained else []
    if span.new:
        words.append(f"{span.new:,} {'late' if span.late else 'new'}")
    if span.held:
        words.append("released")
    if not span.images:
        words.append("no image with its source" if paired else "empty")
    elif not span.in_window:
        words.append("outside data.window")
    return ", ".join(words) or "empty"
