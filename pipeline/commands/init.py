"""The command `iadb init`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.commands.shared_options import FiniteRange, OutputFile

MAX_HOURS = 10_000


@click.command()
@click.argument("folder")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    default=Path("iadb.yaml"),
    show_default=True,
    help="The configuration to write.",
)
@click.option(
    "--hours",
    type=FiniteRange(0, MAX_HOURS, min_open=True),
    help="How long the training may take on this machine.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set one key, for example data.resolution=64; may be repeated.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def init(
    folder: str, output: Path, hours: float | None, overrides: tuple[str, ...], force: bool
) -> None:
    """Write a configuration for the images in FOLDER.

    It looks at them, sets resolution, network and training for them and this machine, with a
    comment on each key, and says how long the training will take. `iadb run --config` takes the
    file.
    """
    if hours is not None and _value(overrides, "train", "steps") is not None:
        raise click.UsageError("--hours sets train.steps: leave out one of the two")
    if _value(overrides, "data", "folder") not in (None, folder):
        raise click.UsageError("FOLDER sets data.folder: leave out --set data.folder")
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists: choose another --output, or use --force")
    from pipeline.console.tables import make_console
    from pipeline.estimate.initialize import initialize

    initialize(folder, overrides, hours, output, make_console())


def _value(overrides: tuple[str, ...], section: str, key: str) -> Any:
    """To what they set a key of a section, by itself or in a whole section; None if they do not."""
    from pipeline.config.values import read_values

    values = read_values(None, None, overrides).get(section)
    return values.get(key) if isinstance(values, Mapping) else None
