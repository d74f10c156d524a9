"""The commands about models: `iadb models`, `iadb rollback` and `iadb promote`."""

import dataclasses
import json
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE

MAX_REASON = 500  # characters


def _one_line(ctx: click.Context, parameter: click.Parameter, text: str) -> str:
    """The text of an option that is recorded and shown."""
    text = text.strip()
    if not text or not text.isprintable() or len(text) > MAX_REASON:
        raise click.BadParameter(f"give one line of at most {MAX_REASON} printable characters")
    return text


@click.command()
@WORKSPACE
@click.option(
    "--last",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Newest ones, and the live one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all metrics and versions.")
def models(workspace: Path, last: int, as_json: bool) -> None:
    """List the models of a workspace: quality, data, verdict, and which is live."""
    from components.atomic_pusher.versions import complete_versions
    from pipeline.commands.models_table import print_models
    from pipeline.registry import lineage
    from pipeline.registry.models import load_models
    from pipeline.terminal import wide_console
    from pipeline.workspace import Workspace

    place = Workspace(workspace.resolve())
    everything = load_models(lineage.connect(place.metadata), place.serving)
    found = [model for model in everything[:-last] if model.live] + everything[-last:]
    if as_json:
        values = [dataclasses.asdict(model) for model in found]
        click.echo(json.dumps(values, indent=2, default=str))
    elif found:
        print_models(wide_console(), found)
        served = complete_versions(place.serving)
        if served and not any(model.live for model in found):
            click.echo(f"live: {served[-1]}, not known to be one of these models")
    else:
        click.echo(f"no models in {workspace}")


@click.command()
@click.argument("version", required=False, type=click.IntRange(1))
@WORKSPACE
@click.option(
    "--reason",
    default="rolled back",
    show_default=True,
    metavar="TEXT",
    callback=_one_line,
    help="Recorded with the models that are withdrawn.",
)
def rollback(version: int | None, workspace: Path, reason: str) -> None:
    """Put an earlier version live, by default the one of the model before the live one.

    It is copied to a new highest version, which is what servers take. The models that were pushed
    after it are withdrawn: no run pushes them again, starts from one, or compares with it.
    """
    from pipeline.registry import live_model
    from pipeline.workspace import Workspace

    live, withdrawn = live_model.rollback(Workspace(workspace.resolve()), version, reason)
    numbers = ", ".join(map(str, withdrawn))
    click.echo(f"live: {live}; withdrawn: {f'model {numbers}' if numbers else 'nothing'}")


@click.command()
@click.argument("model", metavar="VERSION_OR_MODEL", type=click.IntRange(1))
@WORKSPACE
@click.option("--reason", required=True, metavar="TEXT", callback=_one_line, help="Recorded.")
def promote(model: int, workspace: Path, reason: str) -> None:
    """Put a model live that the gate did not bless.

    It is loaded first, as `iadb serve-check` does, and is what later models have to beat.
    """
    from pipeline.registry import live_model
    from pipeline.workspace import Workspace

    click.echo(f"live: {live_model.promote(Workspace(workspace.resolve()), model, reason)}")
