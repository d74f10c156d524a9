"""The commands `iadb kubeflow`: the pipeline on a Kubeflow Pipelines cluster."""

import dataclasses
import functools
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.shared_options import DATA, config_options, load_config
from trainer.common import exit_codes

if TYPE_CHECKING:  # they import KFP's SDK or pydantic
    from pipeline.cluster.access import Access
    from pipeline.cluster.client import Version
    from pipeline.cluster.package import Package
    from pipeline.cluster.state import Run
    from pipeline.config import PipelineConfig

TIMES_SHOWN = 3
PARAMETERS = click.option(
    "--param",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Runtime parameter, for example steps=2000; may be repeated.",
)


def access_options(command: Any) -> Any:
    """Adds the options that say how a cluster is called; the command gets them as `access`."""

    @click.option(
        "--endpoint",
        envvar=["IADB_KFP_ENDPOINT", "KF_PIPELINES_ENDPOINT"],
        show_envvar=True,
        metavar="URL",
        help="Of KFP's API, for example http://localhost:8888.",
    )
    @click.option(
        "--namespace",
        envvar="IADB_KFP_NAMESPACE",
        show_envvar=True,
        help="Yours, on a cluster with many users.",
    )
    @click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="File with a bearer token; else that in IADB_KFP_TOKEN, if any.",
    )
    @functools.wraps(command)
    def with_access(
        endpoint: str | None, namespace: str | None, token_file: Path | None, **kwargs: Any
    ) -> Any:
        from pipeline.cluster.access import Access, AccessError

        if not endpoint:
            raise AccessError(
                "--endpoint: not set; give the URL of KFP's API, or set IADB_KFP_ENDPOINT"
            )
        token = os.environ.get("IADB_KFP_TOKEN")
        access = Access(endpoint.rstrip("/"), namespace or None, token or None, token_file)
        return command(access=access, **kwargs)

    return with_access


@click.group()
def kubeflow() -> None:
    """Run the pipeline on a Kubeflow Pipelines cluster."""
    if importlib.util.find_spec("kfp") is None:
        click.echo("iadb: KFP's SDK is missing: pip install 'iadb-tfx[kubeflow]'", err=True)
        sys.exit(exit_codes.USAGE)


@kubeflow.command("compile")
@config_options
@DATA
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file to write (KFP's spec 2.1.0).",
)
def compile_to_file(
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    folder: str | None,
    output: Path,
) -> None:
    """Write the pipeline as a KFP package, to be uploaded by any means."""
    if not output.parent.is_dir():
        raise click.BadParameter(f"no folder {output.parent}", param_hint="--output")
    package = _compile(load_config(preset, file, overrides, folder), output)
    click.echo(f"{output}: {len(package.tasks)} tasks, digest {package.digest}")
    click.echo(f"runtime parameters: {', '.join(package.parameters) or 'none'}")


@kubeflow.command()
@config_options
@DATA
@PARAMETERS
@click.option("--wait", is_flag=True, help="Follow the run until it has ended.")
@access_options
def submit(
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    folder: str | None,
    settings: tuple[str, ...],
    wait: bool,
    access: "Access",
) -> None:
    """Upload the pipeline and start a run.

    A version is uploaded only where the cluster does not have the same. With --wait, a line a task
    shows what is done, and a run that fails ends the command with code 6; without, the command ends
    when the run is started.
    """
    from pipeline.cluster.client import Cluster
    from pipeline.cluster.package import parse_parameters
    from pipeline.commands.kubeflow_tables import print_tasks
    from pipeline.terminal import wide_console

    config = load_config(preset, file, overrides, folder)
    cluster = Cluster(access)
    with _compiled(config) as package:
        parameters = parse_parameters(package, settings)
        version = cluster.upload(package, config.name)
    _tell_version(version)
    run_id = cluster.start(version, parameters, config.kubeflow.service_account)
    click.echo(f"run {run_id}: {cluster.run_url(run_id)}")
    if not wait:
        return
    try:
        run = print_tasks(wide_console(), cluster.follow(run_id), package.tasks)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the run goes on; see `iadb kubeflow status`") from None
    _tell_end(run, package)


@kubeflow.command()
@config_options
@DATA
@PARAMETERS
@click.option(
    "--cron",
    metavar='"MIN HOUR DAY MONTH WEEKDAY"',
    help='When runs start, for example "0 3 * * *".',
)
@click.option(
    "--timezone",
    "zone",
    default="UTC",
    show_default=True,
    envvar="IADB_KFP_TIMEZONE",
    show_envvar=True,
    help="Zone that the cluster reads cron in: KFP's cronScheduleTimezone.",
)
@click.option("--name", help="Of the schedule; default: the pipeline's.")
@click.option("--delete", is_flag=True, help="Delete the schedule of that name instead.")
@access_options
def schedule(
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    folder: str | None,
    settings: tuple[str, ...],
    cron: str | None,
    zone: str,
    name: str | None,
    delete: bool,
    access: "Access",
) -> None:
    """Upload the pipeline and run it again and again.

    A schedule of the same name is replaced. One run at a time; runs that were missed, as while the
    cluster was down, are not made up for. KFP knows no time zone of a schedule: --timezone says
    which one the whole cluster has, for the times shown.
    """
    from pipeline.cluster.client import Cluster
    from pipeline.cluster.package import parse_parameters
    from pipeline.unattended.cron import next_times, to_kubeflow

    if (cron is None) != delete:
        raise click.UsageError("Give either --cron or --delete.")
    config = load_config(preset, file, overrides, folder)
    name = name or config.name
    if delete:
        count = Cluster(access).unschedule(config.name, name)
        click.echo(f"schedule {name}: {'deleted' if count else 'there is none'}")
        return
    six_fields = to_kubeflow(cron)
    times = next_times(cron, zone, datetime.now(timezone.utc), TIMES_SHOWN)
    cluster = Cluster(access)
    with _compiled(config) as package:
        parameters = parse_parameters(package, settings)
        version = cluster.upload(package, config.name)
    _tell_version(version)
    replaced = cluster.schedule(
        version, name, six_fields, parameters, config.kubeflow.service_account
    )
    click.echo(f"schedule {name}: {six_fields}, {'replaced' if replaced else 'new'}")
    click.echo(f"next: {', '.join(f'{time:%Y-%m-%d %H:%M}' for time in times)} ({zone})")
    if zone != "UTC":
        click.echo(f"where the cluster's cronScheduleTimezone is {zone}; KFP does not tell it")


@kubeflow.command()
@click.option("--pipeline", metavar="NAME", help="Only this one; default: all of the namespace.")
@click.option(
    "--last", default=20, show_default=True, type=click.IntRange(1, 1000), help="Newest runs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the tasks of each run.")
@access_options
def status(pipeline: str | None, last: int, as_json: bool, access: "Access") -> None:
    """List runs, the newest first, and schedules."""
    from pipeline.cluster.client import Cluster
    from pipeline.commands.kubeflow_tables import print_status
    from pipeline.terminal import wide_console

    cluster = Cluster(access)
    runs, schedules = cluster.runs(last, pipeline), cluster.schedules(pipeline)
    if as_json:
        found = {
            "runs": [dataclasses.asdict(run) for run in runs],
            "schedules": [dataclasses.asdict(schedule) for schedule in schedules],
        }
        click.echo(json.dumps(found, indent=2, default=datetime.isoformat))
        return
    print_status(wide_console(), runs, schedules, pipeline)


def _compile(config: "PipelineConfig", output: Path) -> "Package":
    from pipeline.cluster.package import read_package
    from pipeline.logs import logging_to

    with logging_to(Path(os.devnull), verbose=False):  # TensorFlow talks when it is imported
        from pipeline.cluster.compile import compile_package

        compile_package(config, output)
    return read_package(output)


@contextmanager
def _compiled(config: "PipelineConfig") -> Iterator["Package"]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield _compile(config, Path(folder) / f"{config.name}.yaml")


def _tell_version(version: "Version") -> None:
    done = "uploaded" if version.uploaded else "is there already, nothing uploaded"
    click.echo(f"version {version.name}: {done}")


def _tell_end(run: "Run", package: "Package") -> None:
    from pipeline.cluster.connection import ClusterError

    if run.state == "SUCCEEDED":
        click.echo(f"run {run.id} succeeded")
        return
    failed = [
        f"{package.tasks[task.name]}{task.error and f' ({task.error})'}"
        for task in run.tasks
        if task.state == "FAILED" and task.name in package.tasks
    ]
    reason = ", ".join(failed) or run.error or "KFP gives no reason"
    raise ClusterError(f"run {run.id} {run.state.lower()}: {reason}")
