"""The command `iadb clean`."""

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import (
    JSON,
    ConfigArguments,
    config_options,
    workspace_options,
)
from pipeline.workspace import InUseError, Workspace
from trainer.common.text import list_some

if TYPE_CHECKING:
    from pipeline.registry.retention import Removal

MEGABYTE = 1e6


@click.command()
@config_options
@workspace_options
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@click.option("--if-free", is_flag=True, help="Do nothing while a run uses the workspace.")
@JSON
def clean(
    arguments: ConfigArguments, workspace: Workspace, dry_run: bool, if_free: bool, as_json: bool
) -> None:
    """Remove what a workspace no longer needs.

    The section `retention` of the configuration sets how much is kept. The live model, the models
    that it can be rolled back to, those that later models are compared with, and everything the
    newest runs depend on are always kept. So are the metrics, verdicts and lineage of what is
    removed.
    """
    workspace.check_exists()
    from pipeline.registry import retention

    try:
        removals = retention.clean(workspace, arguments.load_as_given().retention, dry_run=dry_run)
    except InUseError as error:
        if not if_free:
            raise
        click.echo("[]" if as_json else f"nothing removed: {error}")
        return
    if as_json:
        listed = [
            {**dataclasses.asdict(each), "path": str(each.path.relative_to(workspace.folder))}
            for each in removals
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    if not removals:
        click.echo(f"nothing to remove in {workspace.folder}")
        return
    click.echo("would remove" if dry_run else "removed")
    for kind in dict.fromkeys(removal.kind for removal in removals):
        of_kind = [removal for removal in removals if removal.kind == kind]
        first = list_some([str(of_kind[0].path.relative_to(workspace.folder))])
        more = f" and {len(of_kind) - 1:,} more" if len(of_kind) > 1 else ""
        click.echo(f"{_line(f'{kind}s', of_kind)}  {first}{more}")
    click.echo(_line("total", removals))


def _line(name: str, removals: "Sequence[Removal]") -> str:
    size = sum(removal.size for removal in removals) / MEGABYTE
    return f"  {name:<12} {len(removals):>6,} {size:>12,.1f} MB"
