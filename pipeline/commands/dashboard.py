"""The command `iadb dashboard`."""

import importlib.util
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE


@click.command()
@WORKSPACE
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the pages as files, in place of serving them.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve on. The pages ask for no password: another one shows them to others.",
)
@click.option("--port", default=8030, show_default=True, type=click.IntRange(1, 65535))
def dashboard(workspace: Path, out: Path | None, host: str, port: int) -> None:
    """Show what a workspace did: attempts, models, data, runs, and what waits for a person."""
    for library in ("flask", "matplotlib", "waitress"):
        if importlib.util.find_spec(library) is None:
            raise click.UsageError(f"{library} is missing: pip install 'iadb-tfx[dashboard]'")
    from pipeline.workspace import Workspace

    place = Workspace(workspace.resolve())
    if out is not None:
        from datetime import datetime

        from pipeline.monitoring.dashboard.collect import collect
        from pipeline.monitoring.dashboard.pages import INDEX, Site
        from pipeline.monitoring.dashboard.write import write

        count = write(Site(collect(place), datetime.now().astimezone()), out)
        click.echo(f"{count} pages: {out / INDEX}")
        return
    from pipeline.monitoring.dashboard import server

    try:
        listening = server.listen(place, host, port)
    except OSError as error:
        raise click.UsageError(
            f"cannot serve on {host}, port {port}: {error.strerror}; choose others with --host "
            "and --port"
        ) from None
    name = "localhost" if server.is_loopback(host) else f"[{host}]" if ":" in host else host
    click.echo(f"http://{name}:{port} until Ctrl-C")
    listening.run()
