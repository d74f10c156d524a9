"""Options that several commands of `iadb` share."""

import contextlib
import functools
import importlib.util
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pipeline import failures
from pipeline.registry.shared_workspace import (
    local_workspace,
    open_workspace,
    workspace_to_run_in,
)
from pipeline.workspace import Workspace
from trainer.common import exit_codes, xmp
from trainer.common.text import printable

if TYPE_CHECKING:
    from components.image_example_gen.errors import ImageDataError
    from components.image_example_gen.spans import Listings
    from pipeline.config.pipeline_config import PipelineConfig


class UserPath(click.Path):
    """A file or folder; ~ is the home directory, also where the shell does not expand it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Returns the path, with the home directory in place of ~."""
        if not os.fspath(value):  # which would be the working directory
            self.fail("is empty; name a path, or leave it out", param, ctx)
        return super().convert(os.path.expanduser(value), param, ctx)


class OutputPath(UserPath):
    """A file or folder to write; that it can be written is seen before the work for it begins."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Returns the path, or reports that nothing can be written there."""
        path = super().convert(value, param, ctx)
        if not path.name:
            self.fail("name what to write", param, ctx)
        if _is_device(path):  # which would be replaced by a file
            self.fail(f"{path} is neither a file nor a folder", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"no folder {path.parent}", param, ctx)
        if not os.access(path.parent, os.W_OK):
            self.fail(f"the folder {path.parent} cannot be written", param, ctx)
        return path


def _is_device(path: Path) -> bool:
    """Whether a device, a pipe or a stream of this process is there."""
    with contextlib.suppress(OSError):  # a folder that may not be searched
        if path.is_symlink() and os.readlink(path).startswith("/proc/"):
            return True
        return path.exists() and not (path.is_file() or path.is_dir())
    return False


class OutputFile(OutputPath):
    """A file to write.

    Args:
        suffix: the only one that its name may have, such as `.png`; empty for any.
    """

    def __init__(self, suffix: str = "") -> None:
        super().__init__(dir_okay=False)
        self._suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Returns the path, or reports that its name has another end."""
        link = Path(os.path.expanduser(value))
        if link.is_symlink() and not _is_device(link):  # it stays one
            value = os.path.realpath(link)
        path = super().convert(value, param, ctx)
        if self._suffix and path.suffix.lower() not in ("", self._suffix):
            self.fail(f"{path.name}: only {self._suffix} files are written", param, ctx)
        if path.is_file() and self._suffix and (reason := xmp.why_kept(path)):
            self.fail(f"{path} {reason}; name another file", param, ctx)
        if path.is_file() and not os.access(path, os.W_OK):
            self.fail(f"{path} cannot be written", param, ctx)
        return path


class FiniteRange(click.FloatRange):
    """A range of numbers; infinity and what is no number are in none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Returns the number, or reports that it is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number", param, ctx)
        return number


def refuse_options_before(ctx: click.Context) -> None:
    """Ends a command whose options stand before that of a subcommand, which would ignore them."""
    for parameter in ctx.command.params:
        if ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            option, command = parameter.opts[0], ctx.invoked_subcommand
            raise click.UsageError(f"{option}: give it after {command}, if it has this option")


def _workspace(make: Callable[[str], Workspace]) -> Callable[[Any], Any]:
    return click.option(
        "--workspace",
        default="workspace",
        show_default=True,
        metavar="FOLDER",
        callback=lambda ctx, parameter, folder: make(folder),
        help="Folder for everything that runs write.",
    )


WORKSPACE = _workspace(local_workspace)
WORKSPACE_TO_RUN_IN = _workspace(workspace_to_run_in)
METADATA_URL = "postgresql://USER@HOST:PORT/DATABASE"
DATA = click.option(
    "--data", "folder", metavar="FOLDER", help="Image folder; short for --set data.folder=FOLDER."
)
SEED = click.IntRange(0, 10**18)  # those after it are int64 as well
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

    @property
    def is_default(self) -> bool:
        """Whether neither a preset nor a file is given."""
        return self.preset is None and self.file is None

    def load(
        self,
        workspace: Workspace | None = None,
        listings: "Listings | None" = None,
        *,
        cluster: bool = False,
    ) -> "PipelineConfig":
        """The configuration; where none is given, one for the images, which it reports.

        Args:
            workspace: keeps what is chosen, and later runs reuse it; None keeps nothing.
            listings: get what is listed for a choice.
            cluster: whether the choice is for the machines of a cluster, and not for this one.

        Raises:
            ConfigError: the configuration is not valid.
            ImageDataError: none is given, and the folder has no images that can be read.
            WorkspaceError: the workspace cannot be written.
        """
        if not self.is_default:
            return self.load_as_given()
        from pipeline.choosing.chosen import configure

        choice = configure(self.overrides, workspace, listings, cluster=cluster)
        for line in choice.lines:
            failures.say(line, error=True)
        return choice.config

    def load_for_check(
        self, workspace: Workspace
    ) -> "tuple[PipelineConfig, ImageDataError | None]":
        """As `load`, but where nothing can be chosen the defaults hold.

        Returns:
            The configuration, and why nothing could be chosen: then no run may start.
        """
        from components.image_example_gen.errors import ImageDataError

        try:
            return self.load(workspace), None
        except ImageDataError as error:
            return self.load_as_given(), error

    def load_as_given(self) -> "PipelineConfig":
        """The configuration without a choice, on top of the defaults.

        Raises:
            ConfigError: the configuration is not valid.
        """
        from pipeline.config.pipeline_config import load

        return load(self.preset, self.file, self.overrides)

    def describe(self, folder: str | None) -> str:
        """What `load` made the configuration of, in one line.

        Args:
            folder: data.folder of the configuration.
        """
        chosen = f"a look at {printable(folder)}" if folder else "the defaults"
        parts = [chosen] if self.is_default else []
        named = {"preset": self.preset, "file": self.file and printable(str(self.file))}
        parts += [f"{name} {value}" for name, value in named.items() if value is not None]
        return ", ".join(parts + (["--set"] if self.overrides else []))

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
        type=UserPath(),
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
            from pipeline.config.values import section_of
            from pipeline.config.yaml_text import quote

            if "folder" in section_of(overrides, "data"):
                raise click.UsageError("--data and --set data.folder name two folders; give one")
            overrides = (*overrides, f"data.folder={quote(folder)}")
        return command(arguments=ConfigArguments(preset, file, overrides), **kwargs)

    return with_arguments


def require_library(name: str, extra: str) -> None:
    """Ends the command if a library is missing that only one extra of the project installs."""
    if importlib.util.find_spec(name) is None:
        click.echo(
            f"iadb: {name} is missing; in the folder of the project, run: pip install '.[{extra}]'",
            err=True,
        )
        sys.exit(exit_codes.USAGE)
