"""The command `iadb clean`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import WORKSPACE, config_options, load_config
from trainer.common.text import list_some

if TYPE_CHECKING:
    from pipeline.registry.retention import Removal

MEGABYTE = 1e6


@click.command()
@config_options
@WORKSPACE
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def clean(
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    workspace: Path,
    dry_run: bool,
) -> None:
    """Remove what a workspace no longer needs.

    The section `retention` of the configuration says how much is kept. The live model, those that
    it can be rolled back to, those that later ones are compared with, and all that the newest runs
    rest on always stay; so do metrics, verdicts and lineage of what is removed.
    """
    from pipeline.registry import retention
    from pipeline.workspace import Workspace

    options = load_config(preset, file, overrides, None).retention
    place = Workspace(workspace.resolve())
    removals = retention.clean(place, options, dry_run=dry_run)
    if not removals:
        click.echo(f"nothing to remove in {workspace}")
        return
    click.echo("would remove" if dry_run else "removed")
    for kind in dict.fromkeys(removal.kind for removal in removals):
        of_kind = [removal for removal in removals if removal.kind == kind]
        first = list_some([str(of_kind[0].path.relative_to(place.folder))])
        more = f" and {len(of_kind) - 1:,} more" if len(of_kind) > 1 else ""
        click.echo(f"{_line(f'{kind}s', of_kind)}  {first}{more}")
    click.echo(_line("in all", removals))


def _line(name: str, removals: "Sequence[Removal]") -> str:
    size = sum(removal.size for removal in removals) / MEGABYTE
    return f"  {name:<12} {len(removals):>6,} {size:>12,.1f} MB"
