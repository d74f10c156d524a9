"""The commands `iadb models`, `iadb rollback` and `iadb promote`."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import LAST, workspace_options
from pipeline.workspace import Workspace
from trainer.common.text import as_json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.registry.models import RegisteredModel

MAX_REASON = 500  # characters
SHOWN = 120  # characters of why a model is not blessed; --json has all


def _one_line(ctx: click.Context, parameter: click.Parameter, text: str) -> str:
    """The text of an option that is recorded and shown."""
    text = text.strip()
    if not text or not text.isprintable() or len(text) > MAX_REASON:
        raise click.BadParameter(f"expected one line of at most {MAX_REASON} printable characters")
    return text


@click.command()
@workspace_options
@LAST
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all metrics and versions.")
def models(workspace: Workspace, last: int, as_json: bool) -> None:
    """List models: metrics, lineage, and which one is live.

    The live model is listed even if it is not among the newest.
    """
    workspace.check_exists()
    from components.atomic_pusher.versions import complete_versions
    from pipeline.registry import lineage
    from pipeline.registry.models import load_models

    everything = load_models(lineage.connect(workspace.metadata), workspace.serving)
    found = [model for model in everything[:-last] if model.live] + everything[-last:]
    if as_json:
        listed = [dataclasses.asdict(model) for model in found]
        click.echo(json.dumps(listed, indent=2, default=as_json_text))
        return
    if found:
        _print_models(found)
    else:
        click.echo(f"no models in {workspace.folder}")
    served = complete_versions(workspace.serving)
    if served and not any(model.live for model in found):
        click.echo(f"live: {served[-1]}, which is not known to be one of these models")


@click.command()
@click.argument("version", required=False, type=click.IntRange(1))
@workspace_options
@click.option(
    "--reason",
    default="rolled back",
    show_default=True,
    metavar="TEXT",
    callback=_one_line,
    help="Recorded with the models that are withdrawn.",
)
def rollback(version: int | None, workspace: Workspace, reason: str) -> None:
    """Make an earlier model live and withdraw the later ones.

    VERSION is a version or a model, by default the model before the live one. Its version is copied
    to a new highest version, which is the one that servers load. Models pushed after it are
    withdrawn: no run pushes them again, starts from them or compares with them.
    """
    workspace.check_exists()
    from pipeline.monitoring.model_card import note_after_rollback
    from pipeline.registry import live_model

    live, withdrawn = live_model.rollback(workspace, version, reason)
    if isinstance(live, Path):
        note_after_rollback(workspace)
    numbers = ", ".join(map(str, withdrawn))
    click.echo(f"live: {live}; withdrawn: {f'model {numbers}' if numbers else 'nothing'}")


@click.command()
@click.argument("model", metavar="VERSION_OR_MODEL", type=click.IntRange(1))
@workspace_options
@click.option("--reason", required=True, metavar="TEXT", callback=_one_line, help="Recorded.")
def promote(model: int, workspace: Workspace, reason: str) -> None:
    """Make a model live although the gate rejected it.

    The model is first loaded as by `iadb serve-check`. Later models are compared with it.
    """
    workspace.check_exists()
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.monitoring.model_card import write_after_promotion
    from pipeline.registry import live_model

    with showing(make_console(), f"promoting {model}"):
        live = live_model.promote(workspace, model, reason)
        if isinstance(live, Path):  # a local workspace, whose records the card is made of
            write_after_promotion(workspace)
    click.echo(f"live: {live}")


def _print_models(models: "Sequence[RegisteredModel]") -> None:
    """Prints one line per model; the column of spans only if they differ."""
    from pipeline.console.tables import (
        Column,
        cell,
        make_console,
        metrics_cell,
        number,
        print_table,
        text,
    )

    spans = len({model.span for model in models}) > 1
    columns = (
        number("model"),
        Column("trained"),
        number("images", optional=2),
        *([number("span", optional=1)] if spans else []),
        number("parent", optional=3),
        text("metrics"),
        Column("version"),
        text("state"),
    )
    rows = []
    for model in models:
        rows.append(
            (
                cell(model.number),
                cell(model.trained, "%Y-%m-%d %H:%M"),
                cell(model.images, ","),
                *([cell(model.span)] if spans else []),
                cell(model.parent),
                metrics_cell(model.limited, model.metrics),
                cell(max(model.versions, default=None)),
                _state(model),
            )
        )
    print_table(make_console(), columns, rows)


def _state(model: "RegisteredModel") -> str:
    from rich.markup import escape

    from trainer.common.text import shorten

    live = "[bold green]live[/], " if model.live else ""
    if model.teacher is not None:
        live += f"student of {model.teacher}, "
    verdict = model.verdict
    if verdict == "withdrawn":
        return f"{live}[red]withdrawn[/]: {escape(model.withdrawn)}"
    if verdict == "promoted":
        return f"{live}[yellow]promoted[/] by {escape(f'{model.promoted_by}: {model.promoted}')}"
    if verdict == "not judged":
        return f"{live}not judged"
    if verdict == "blessed":
        return f"{live}[green]blessed[/]"
    return f"{live}[red]not blessed[/]: {escape(shorten(model.reason or 'no reason', SHOWN))}"
