"""The command `iadb init`."""

from pathlib import Path

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
    from pipeline.config.values import section_of
    from pipeline.config.yaml_text import quote

    if hours is not None and "steps" in section_of(overrides, "train"):
        raise click.UsageError("--hours sets train.steps: leave out one of the two")
    named = section_of((f"data.folder={quote(folder)}",), "data")
    if section_of(overrides, "data").get("folder", named["folder"]) != named["folder"]:
        raise click.UsageError("FOLDER sets data.folder: leave out --set data.folder")
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists: choose another --output, or use --force")
    from pipeline.choosing.initialize import initialize
    from pipeline.console.tables import make_console

    initialize(folder, overrides, hours, output, make_console())
