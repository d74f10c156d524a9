"""The command `iadb serve`."""

import os
import re
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, FiniteRange, UserPath, require_library
from pipeline.workspace import Workspace

TOKEN = "IADB_SERVE_TOKEN"  # environment variable
LEAST_TOKEN = 16  # characters
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@click.command()
@WORKSPACE
@click.option(
    "--model",
    type=UserPath(),
    metavar="FOLDER",
    help="SavedModel to serve; default: the live version of the workspace, also when it changes.",
)
@click.option("--name", default="iadb", show_default=True, help="Name of the model in paths.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help=f"Address to serve on; any but loopback needs a token in {TOKEN}.",
)
@click.option("--port", default=8501, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--deadline",
    default=60.0,
    show_default=True,
    type=FiniteRange(0.1, 3600),
    metavar="SECONDS",
    help="Time that a request may take, from its header to its answer.",
)
def serve(
    workspace: Workspace, model: Path | None, name: str, host: str, port: int, deadline: float
) -> None:
    """Serve the live model over HTTP, with a page to play with it.

    Speaks TensorFlow Serving's REST. Follows pushes and rollbacks.
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter("expected up to 64 letters, digits and _ . -", param_hint="--name")
    for library in ("starlette", "uvicorn"):
        require_library(library, "serve")
    from pipeline.addresses import is_loopback
    from pipeline.serve import server

    token = os.environ.get(TOKEN) or None  # empty as one sets it to have none
    if not token and not is_loopback(host):
        raise click.UsageError(
            f"--host {host}: others can reach it; set {TOKEN} to a secret that requests then "
            "carry (Authorization: Bearer ...), or serve on 127.0.0.1"
        )
    if token and not (token.isascii() and token.isprintable() and len(token) >= LEAST_TOKEN):
        raise click.UsageError(
            f"{TOKEN}: expected {LEAST_TOKEN} or more printable ASCII characters"
        )
    if model is None and not workspace.serving.is_dir():
        workspace.check_exists()
    from pipeline.failures import say
    from pipeline.logs import logging_to

    with logging_to(Path(os.devnull), verbose=False):  # TensorFlow logs when it starts
        server.serve(server.ServeOptions(workspace, model, name, host, port, token, deadline), say)
