"""The command `iadb dashboard`."""

from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, UserPath, require_library
from pipeline.workspace import Workspace


@click.command()
@WORKSPACE
@click.option(
    "--out",
    type=UserPath(),
    metavar="FOLDER",
    help="Write the pages to files instead of serving them.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve on. There is no login: any other address makes the pages public.",
)
@click.option("--port", default=8030, show_default=True, type=click.IntRange(1, 65535))
def dashboard(workspace: Workspace, out: Path | None, host: str, port: int) -> None:
    """Show checks, models, runs and data as web pages."""
    workspace.check_exists()
    for library in ("flask", "waitress"):
        require_library(library, "dashboard")
    if out is not None:
        from datetime import datetime

        from pipeline.monitoring.dashboard.collect import collect
        from pipeline.monitoring.dashboard.pages import INDEX, Site
        from pipeline.monitoring.dashboard.write import write

        count = write(Site(collect(workspace), datetime.now().astimezone()), out)
        click.echo(f"{count} pages: {out / INDEX}")
        return
    from pipeline.addresses import url
    from pipeline.monitoring.dashboard import server

    try:
        listening = server.listen(workspace, host, port)
    except (OSError, ValueError) as error:  # the latter of a name without an address
        reason = getattr(error, "strerror", None) or error
        raise click.UsageError(
            f"cannot serve on {host}, port {port}: {reason}; choose others with --host and --port"
        ) from None
    click.echo(f"{url(host, port)} until Ctrl-C")
    listening.run()
