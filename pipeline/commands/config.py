"""The commands `iadb config`."""

import json

import click

from pipeline.commands.shared_options import DATA, ConfigArguments, config_options


@click.group()
def config() -> None:
    """Show configurations, presets and the schema."""


@config.command()
@config_options
@DATA
def show(arguments: ConfigArguments) -> None:
    """Print the resolved configuration as YAML: every key, with its description as a comment.

    With --data alone, looks at the images and prints what suits them, as `iadb run` chooses it.
    """
    from pipeline.config.yaml_text import dump

    resolved = arguments.load()
    source = arguments.describe(resolved.data.folder)
    click.echo(f"# From {source}. Keys that are left out keep their defaults.")
    click.echo(dump(resolved), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration, with a description of every key."""
    from pipeline.config.pipeline_config import PipelineConfig

    click.echo(json.dumps(PipelineConfig.model_json_schema(), indent=2))


@config.command("list")
def list_presets() -> None:
    """List the presets."""
    from pipeline.config.values import presets

    click.echo("\n".join(presets()))
