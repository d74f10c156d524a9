"""Options that several commands of `iadb` share."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.registry.shared_workspace import open_workspace

if TYPE_CHECKING:
    from pipeline.config import PipelineConfig

WORKSPACE = click.option(
    "--workspace",
    default="workspace",
    show_default=True,
    metavar="FOLDER",
    callback=lambda ctx, parameter, folder: open_workspace(folder, None),
    help="Folder for everything that runs write.",
)
METADATA_URL = "postgresql://USER@HOST:PORT/DATABASE"
DATA = click.option(
    "--data", "folder", metavar="FOLDER", help="Image folder; short for --set data.folder=FOLDER."
)
LAST = click.option(
    "--last", default=20, show_default=True, type=click.IntRange(1), help="How many to list."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def workspace_options(command: Any) -> Any:
    """Adds the options of a workspace, here or on a cluster; the command gets it as `workspace`."""

    @click.option(
        "--workspace",
        default="workspace",
        show_default=True,
        metavar="FOLDER",
        help="Folder for everything that runs write; of a cluster's runs, kubeflow.root.",
    )
    @click.option(
        "--metadata",
        metavar="URL",
        help=f"Metadata database of a cluster's runs, {METADATA_URL}. The password, and what the "
        "URL leaves out, are in the variables TFX_METADATA_PASSWORD, _USER, _HOST, _PORT and "
        "_DATABASE.",
    )
    @functools.wraps(command)
    def with_workspace(workspace: str, metadata: str | None, **kwargs: Any) -> Any:
        return command(workspace=open_workspace(workspace, metadata), **kwargs)

    return with_workspace


@dataclass(frozen=True)
class ConfigArguments:
    """The part of a command line that makes up a configuration."""

    preset: str | None
    file: Path | None
    overrides: tuple[str, ...]

    def load(self, default_preset: str | None = "digits") -> "PipelineConfig":
        """The configuration; `default_preset` applies if neither a preset nor a file is given.

        Raises:
            ConfigError: the configuration is not valid.
        """
        from pipeline.config import load

        unset = self.preset is None and self.file is None
        preset = default_preset if unset else self.preset
        return load(preset, self.file, self.overrides)

    def as_options(self) -> list[str]:
        """The same command line, for another process."""
        named = {"preset": self.preset, "config": self.file}
        options = [f"--{name}={value}" for name, value in named.items() if value is not None]
        return options + [f"--set={override}" for override in self.overrides]


def config_options(command: Any) -> Any:
    """Adds the options that make up a configuration; the command gets them as `arguments`."""

    @click.option("--preset", metavar="NAME", help="Preset to start from; see `iadb config list`.")
    @click.option(
        "--config",
        "file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="YAML file; see `iadb config show`.",
    )
    @click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override one key, for example train.steps=500; may be repeated.",
    )
    @functools.wraps(command)
    def with_arguments(
        preset: str | None,
        file: Path | None,
        overrides: tuple[str, ...],
        folder: str | None = None,  # of DATA, where the command has it
        **kwargs: Any,
    ) -> Any:
        if folder is not None:
            overrides = (*overrides, f"data.folder={json.dumps(folder)}")
        return command(arguments=ConfigArguments(preset, file, overrides), **kwargs)

    return with_arguments
