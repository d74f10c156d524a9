"""Options that several commands of `iadb` have."""

import json
from pathlib import Path
from typing import Any

import click

WORKSPACE = click.option(
    "--workspace",
    default="workspace",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder that holds all that runs write.",
)

DATA = click.option("--data", "folder", metavar="FOLDER", help="Short for --set data.folder=...")


def config_options(command: Any) -> Any:
    """Adds the options that make up a configuration."""
    for option in (
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override one key, for example train.steps=500; may be repeated.",
        ),
        click.option(
            "--config",
            "file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="YAML file; see `iadb config show`.",
        ),
        click.option(
            "--preset", metavar="NAME", help="Start from a preset; see `iadb config list`."
        ),
    ):
        command = option(command)
    return command


def load_config(
    preset: str | None, file: Path | None, overrides: tuple[str, ...], folder: str | None
) -> Any:
    """The configuration that the options make up, from the preset digits where none is named."""
    from pipeline.config import load

    if preset is None and file is None:
        preset = "digits"
    if folder is not None:
        overrides = (*overrides, f"data.folder={json.dumps(folder)}")
    return load(preset, file, overrides)
