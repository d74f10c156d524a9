"""The command `iadb run`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import failures
from pipeline.commands.shared_options import (
    DATA,
    WORKSPACE_TO_RUN_IN,
    ConfigArguments,
    config_options,
)
from pipeline.workspace import Workspace
from trainer.common import exit_codes

if TYPE_CHECKING:
    from pipeline.config.pipeline_config import PipelineConfig

QUIET = {0, exit_codes.NOT_BLESSED}  # exit codes that are no failures


@click.command()
@config_options
@DATA
@WORKSPACE_TO_RUN_IN
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
    help="Run only if there are new images; retry failures, hold wrong data, keep a journal.",
)
@click.option("--result", hidden=True, type=click.Path(path_type=Path))
@click.option("--check", hidden=True, type=int)  # the number of the check that started it
@click.option("--cause", default="check", hidden=True, type=click.Choice(["check", "schedule"]))
def run(
    arguments: ConfigArguments,
    workspace: Workspace,
    runner: str,
    verbose: bool,
    if_new_data: bool,
    cause: str,
    result: Path | None,
    check: int | None,
) -> None:
    """Run the pipeline: ingest, validate, train, evaluate, push.

    Steps whose inputs have not changed since an earlier run in the workspace are skipped. An
    interrupted training resumes from its last checkpoint.

    Without --preset and --config, a look at the images sets resolution, network and training. The
    workspace keeps that choice for later runs of the same folder.

    --if-new-data is what cron, a systemd timer and `iadb schedule` call: one check for new data.
    The section `schedule` of the configuration sets when new images start a run and how often a
    failed run is retried.
    """
    if if_new_data:
        if runner != "local" or verbose:
            raise click.UsageError("--if-new-data cannot be combined with --runner or --verbose")
        _run_if_new_data(*arguments.load_for_check(workspace), workspace, cause)
        return
    from components.image_example_gen.spans import Listings

    listings = Listings()
    config = arguments.load(workspace, listings)
    from pipeline.console.tables import make_console
    from pipeline.run import run_pipeline

    blessed = run_pipeline(
        config,
        workspace,
        runner,
        make_console(),
        verbose=verbose,
        result=result,
        check=check,
        listings=listings,
    )
    if not blessed:
        sys.exit(exit_codes.NOT_BLESSED)


def _run_if_new_data(
    config: "PipelineConfig", problem: Exception | None, workspace: Workspace, cause: str
) -> None:
    from pipeline.unattended.check import check

    result = check(config, workspace, cause=cause, report=failures.say, problem=problem)
    if result.exit_code in QUIET:
        failures.say(f"{result.outcome}: {result.message}")
    else:
        failures.say(f"iadb: {result.outcome}: {result.message}", error=True)
    click.get_current_context().exit(result.exit_code)
