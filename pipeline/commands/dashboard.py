"""The command `iadb dashboard`."""

from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, UserPath, require_library
from pipeline.workspace import Workspace

PATIENCE = 5  # seconds at the end for requests in progress


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
    if out is not None:
        from datetime import datetime

        from pipeline.monitoring.dashboard.collect import collect
        from pipeline.monitoring.dashboard.pages import INDEX, Site
        from pipeline.monitoring.dashboard.write import write

        count = write(Site(collect(workspace), datetime.now().astimezone()), out)
        click.echo(f"{count} pages: {out / INDEX}")
        return
    for library in ("starlette", "uvicorn"):
        require_library(library, "serve")
    from pipeline.addresses import listen, names_of, url
    from pipeline.serve.dashboard import routes
    from pipeline.serve.http import Access, make_app, run

    with listen(host, port) as listening:
        click.echo(f"{url(host, port)} until Ctrl-C")
        run(make_app(routes(workspace), Access(None, names_of(host))), listening, PATIENCE)
