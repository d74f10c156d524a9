"""Options that several commands of `iadb` share."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.config import PipelineConfig

WORKSPACE = click.option(
    "--workspace",
    default="workspace",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    callback=lambda ctx, parameter, folder: Workspace(folder.resolve()),
    help="Folder for everything that runs write.",
)
DATA = click.option(
    "--data", "folder", metavar="FOLDER", help="Image folder; short for --set data.folder=FOLDER."
)
LAST = click.option(
    "--last", default=20, show_default=True, type=click.IntRange(1), help="How many to list."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


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
