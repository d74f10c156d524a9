"""The command `iadb export`."""

import os
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, OutputFile, UserPath, require_library
from pipeline.workspace import Workspace


@click.command()
@click.argument("model", required=False, type=UserPath())
@WORKSPACE
@click.option("--format", "kind", default="onnx", show_default=True, type=click.Choice(["onnx"]))
@click.option(
    "-o",
    "--output",
    default="network.onnx",
    show_default=True,
    type=OutputFile(),
)
def export(model: Path | None, workspace: Workspace, kind: str, output: Path) -> None:
    """Write a model's network for programs without TensorFlow.

    MODEL is the folder of a SavedModel; default: the newest version. The network computes
    x1 - x0; the file says which solver, grid and noise make images with it.
    """
    require_library("tf2onnx", "onnx")
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.logs import logging_to
    from pipeline.registry import serving
    from trainer.common.files import atomic_write
    from trainer.common.progress import phase

    model = serving.find_model(workspace.serving, model)
    with (
        logging_to(Path(os.devnull), verbose=False),  # TensorFlow logs when it starts
        showing(make_console(), f"{kind} of {model}"),
    ):
        with phase("starting TensorFlow"):
            from trainer.serving.onnx_network import convert_saved_model
        content = convert_saved_model(str(model))
        with atomic_write(output) as partial:
            partial.write_bytes(content)
    click.echo(f"network of {model}: {output}")
