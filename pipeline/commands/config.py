"""The command `iadb config`: looks at configurations."""

import json
from pathlib import Path

import click

from pipeline.commands.shared_options import DATA, config_options, load_config


@click.group()
def config() -> None:
    """Look at configurations."""


@config.command()
@config_options
@DATA
def show(
    preset: str | None, file: Path | None, overrides: tuple[str, ...], folder: str | None
) -> None:
    """Print the resolved configuration, every key written out, as YAML."""
    from pipeline.config import dump

    click.echo(dump(load_config(preset, file, overrides, folder)), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration, with a description of every key."""
    from pipeline.config import PipelineConfig

    click.echo(json.dumps(PipelineConfig.model_json_schema(), indent=2))


@config.command("list")
def list_presets() -> None:
    """List the presets."""
    from pipeline.config import presets

    click.echo("\n".join(presets()))
