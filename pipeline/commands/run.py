"""The command `iadb run`: once, or where there are new data."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.shared_options import DATA, WORKSPACE, config_options, load_config
from trainer.common import exit_codes

if TYPE_CHECKING:
    from pipeline.config import PipelineConfig
    from pipeline.workspace import Workspace

QUIET = {0, exit_codes.NOT_BLESSED}  # exit codes that are no failures


@click.command()
@config_options
@DATA
@WORKSPACE
@click.option(
    "--runner",
    default="local",
    show_default=True,
    type=click.Choice(["local", "beam"]),
    help="TFX's LocalDagRunner or BeamDagRunner.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show all logs, not only write them to a file.")
@click.option(
    "--if-new-data",
    is_flag=True,
    help="Run only where there are new images; try again, hold wrong data, and keep a journal.",
)
@click.option("--cause", default="check", hidden=True, type=click.Choice(["check", "schedule"]))
def run(
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    folder: str | None,
    workspace: Path,
    runner: str,
    verbose: bool,
    if_new_data: bool,
    cause: str,
) -> None:
    """Run the pipeline once: ingest, validate, train, evaluate, push.

    What has not changed since an earlier run in the workspace is not done again. An interrupted
    training goes on from its last checkpoint.

    With --if-new-data, what cron, a systemd timer and `iadb schedule` start: section `schedule` of
    the configuration says when new images lead to a run, and how often a run is tried.
    """
    from pipeline.workspace import Workspace

    config = load_config(preset, file, overrides, folder)
    place = Workspace(workspace.resolve())
    if if_new_data:
        if runner != "local" or verbose:
            raise click.UsageError("--if-new-data goes with neither --runner nor --verbose.")
        _run_if_new_data(config, place, cause)
        return
    from pipeline.run import run_pipeline
    from pipeline.terminal import wide_console

    if not run_pipeline(config, place, runner, wide_console(), verbose=verbose):
        sys.exit(exit_codes.NOT_BLESSED)


def _run_if_new_data(config: "PipelineConfig", workspace: "Workspace", cause: str) -> None:
    from pipeline.unattended.attempt import attempt

    result = attempt(config, workspace, cause=cause, tell=click.echo)
    if result.exit_code in QUIET:
        click.echo(f"{result.outcome}: {result.message}")
    else:
        click.echo(f"iadb: {result.outcome}: {result.message}", err=True)
    sys.exit(result.exit_code)
