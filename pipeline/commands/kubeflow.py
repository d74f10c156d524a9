"""The commands `iadb kubeflow`: the pipeline on a Kubeflow Pipelines cluster."""

import functools
import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.shared_options import (
    DATA,
    ConfigArguments,
    OutputFile,
    UserPath,
    config_options,
    require_library,
)

if TYPE_CHECKING:  # they import KFP's SDK or pydantic
    from pipeline.cluster.access import Access
    from pipeline.cluster.package import CompiledPackage
    from pipeline.config.pipeline_config import PipelineConfig

TIMES_SHOWN = 3
PARAMETERS = click.option(
    "--param",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Runtime parameter, for example steps=2000; may be repeated.",
)


def access_options(command: Any) -> Any:
    """Adds the options for calling a cluster; the command gets them as `access`."""

    @click.option(
        "--endpoint",
        envvar=["IADB_KFP_ENDPOINT", "KF_PIPELINES_ENDPOINT"],
        show_envvar=True,
        metavar="URL",
        help="KFP's API, for example http://localhost:8888.",
    )
    @click.option(
        "--namespace",
        envvar="IADB_KFP_NAMESPACE",
        show_envvar=True,
        help="Your namespace, on a multi-user cluster.",
    )
    @click.option(
        "--token-file",
        metavar="FILE",
        type=UserPath(),
        help="File with a bearer token; default: the token in IADB_KFP_TOKEN, if any.",
    )
    @functools.wraps(command)
    def with_access(
        endpoint: str | None, namespace: str | None, token_file: Path | None, **kwargs: Any
    ) -> Any:
        from pipeline.cluster.access import Access, AccessError

        if not endpoint:
            raise AccessError("--endpoint or IADB_KFP_ENDPOINT is required: the URL of KFP's API")
        token = os.environ.get("IADB_KFP_TOKEN")
        access = Access(endpoint.rstrip("/"), namespace or None, token or None, token_file)
        return command(access=access, **kwargs)

    return with_access


@click.group()
def kubeflow() -> None:
    """Run the pipeline on a Kubeflow Pipelines cluster."""
    require_library("kfp", "kubeflow")


@kubeflow.command("compile")
@config_options
@DATA
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=OutputFile(),
    help="YAML file to write (KFP's spec 2.1.0).",
)
def compile_to_file(
    arguments: ConfigArguments,
    output: Path,
) -> None:
    """Write the pipeline as a KFP package, for other tools to upload."""
    package = _compile(_load(arguments), output)
    click.echo(f"{output}: {len(package.tasks)} tasks")
    click.echo(f"runtime parameters: {', '.join(package.parameters) or 'none'}")


@kubeflow.command()
@config_options
@DATA
@PARAMETERS
@click.option("--wait", is_flag=True, help="Follow the run until it ends.")
@access_options
def submit(
    arguments: ConfigArguments,
    settings: tuple[str, ...],
    wait: bool,
    access: "Access",
) -> None:
    """Compile the pipeline and start a run.

    With --wait, prints one line per task, and exits with code 6 if the run fails; without, exits
    when the run has started.
    """
    from pipeline.cluster.client import Cluster
    from pipeline.commands.kubeflow_tasks import print_tasks
    from pipeline.console.tables import make_console

    config = _load(arguments)
    cluster = Cluster(access)
    with tempfile.TemporaryDirectory() as folder:
        package, parameters = _prepare(config, settings, Path(folder))
        run_id = cluster.start(config, package.path, parameters)
    click.echo(f"run {run_id} started")
    if not wait:
        return
    try:
        print_tasks(make_console(), cluster.follow(run_id), package.tasks)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the run continues; see its page") from None
    click.echo(f"run {run_id} succeeded")


@kubeflow.command()
@config_options
@DATA
@PARAMETERS
@click.option(
    "--cron",
    metavar='"MIN HOUR DAY MONTH WEEKDAY"',
    help='Start times of runs, for example "0 3 * * *".',
)
@click.option(
    "--timezone",
    "zone",
    default="UTC",
    show_default=True,
    envvar="IADB_KFP_TIMEZONE",
    show_envvar=True,
    help="Time zone of the cluster's cron: KFP's cronScheduleTimezone.",
)
@click.option("--name", help="Name of the schedule; default: the pipeline's.")
@click.option("--delete", is_flag=True, help="Delete the schedule of that name.")
@access_options
def schedule(
    arguments: ConfigArguments,
    settings: tuple[str, ...],
    cron: str | None,
    zone: str,
    name: str | None,
    delete: bool,
    access: "Access",
) -> None:
    """Compile the pipeline and run it on a schedule.

    Replaces a schedule of the same name. Runs one at a time; of those that were missed, for example
    while the cluster was down, only the newest is made up for. KFP's schedules have no time zone:
    --timezone names that of the whole cluster, for the times shown.
    """
    from pipeline.cluster.client import Cluster
    from pipeline.unattended.cron import next_times, to_kubeflow

    if (cron is None) != delete:
        raise click.UsageError("either --cron or --delete is required")
    config = arguments.load_as_given() if delete else _load(arguments)
    name = name or config.name
    if delete:
        count = Cluster(access).unschedule(config.name, name)
        click.echo(f"schedule {name}: {'deleted' if count else 'does not exist'}")
        return
    six_fields = to_kubeflow(cron)
    times = next_times(cron, zone, datetime.now(timezone.utc), TIMES_SHOWN)
    cluster = Cluster(access)
    with tempfile.TemporaryDirectory() as folder:
        package, parameters = _prepare(config, settings, Path(folder))
        replaced = cluster.schedule(config, package.path, parameters, name, six_fields)
    click.echo(f"schedule {name}: {six_fields}, {'replaced' if replaced else 'new'}")
    click.echo(f"next: {', '.join(f'{time:%Y-%m-%d %H:%M}' for time in times)} ({zone})")
    if zone != "UTC":
        click.echo(f"if the cluster's cronScheduleTimezone is {zone}; KFP's API does not expose it")


def _load(arguments: ConfigArguments) -> "PipelineConfig":
    """The configuration; a folder that only the cluster has needs one that is written down."""
    from components.image_example_gen.errors import ImageDataError
    from pipeline.config.values import ConfigError

    try:
        return arguments.load(cluster=True)
    except ImageDataError as error:
        raise ConfigError(
            f"{error}; to choose for images that this machine cannot read, name a configuration "
            "with --preset or --config"
        ) from None


def _compile(config: "PipelineConfig", output: Path) -> "CompiledPackage":
    from pipeline import failures
    from pipeline.cluster.package import read_package
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.logs import logging_to

    warnings: list[str] = []
    try:
        with (
            logging_to(Path(os.devnull), verbose=False),  # of TensorFlow, when it is imported
            showing(make_console(), "compiling the pipeline"),
        ):
            from pipeline.cluster.compile import compile_package

            compile_package(config, output, warnings.append)
    finally:
        for line in warnings:  # standard error was redirected
            failures.say(line, error=True)
    return read_package(output)


def _prepare(
    config: "PipelineConfig", settings: tuple[str, ...], folder: Path
) -> tuple["CompiledPackage", dict[str, Any]]:
    """Compiles the pipeline into a folder; also parses and checks the parameters of its runs."""
    from pipeline import failures
    from pipeline.cluster.package import check_parameters, parse_parameters

    package = _compile(config, folder / f"{config.name}.yaml")
    parameters = parse_parameters(package, settings)
    check_parameters(config, parameters, functools.partial(failures.say, error=True))
    return package, parameters
