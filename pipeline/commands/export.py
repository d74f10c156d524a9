"""The command `iadb export`."""

import os
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, OutputPath, UserPath, require_library
from pipeline.workspace import Workspace

OUTPUTS = {"onnx": "network.onnx", "hub": "hub"}  # by format, what is written


@click.command()
@click.argument("model", required=False, type=UserPath())
@WORKSPACE
@click.option(
    "--format",
    "kind",
    default="onnx",
    show_default=True,
    type=click.Choice(list(OUTPUTS)),
    help="onnx: the network in a file; hub: a folder for huggingface.co.",
)
@click.option("-o", "--output", type=OutputPath(), help="Default: network.onnx or hub.")
def export(model: Path | None, workspace: Workspace, kind: str, output: Path | None) -> None:
    """Write a model for other programs and places.

    MODEL is the folder of a SavedModel; default: the newest version. As onnx, its network computes
    x1 - x0; the file says which solver, grid and noise make images with it. For the hub, a new
    folder gets the SavedModel with its model card as README.md.
    """
    if kind == "onnx":
        require_library("tf2onnx", "onnx")
    from pipeline.registry import serving

    output = output or Path(OUTPUTS[kind])
    if kind == "hub":
        from pipeline.monitoring.model_card import hub

        model = serving.find_model(workspace.serving, model)
        hub.lay_out(model, output, workspace)
        click.echo(f"{model} with its model card: {output}")
        return
    _export_network(serving.find_model(workspace.serving, model), output)


def _export_network(model: Path, output: Path) -> None:
    from pipeline.console.progress import showing
    from pipeline.console.tables import make_console
    from pipeline.logs import logging_to
    from trainer.common.files import atomic_write
    from trainer.common.progress import phase

    if output.is_dir():
        raise click.BadParameter(f"{output} is a folder", param_hint="--output")
    with (
        logging_to(Path(os.devnull), verbose=False),  # TensorFlow logs when it starts
        showing(make_console(), f"onnx of {model}"),
    ):
        with phase("starting TensorFlow"):
            from trainer.serving.onnx_network import convert_saved_model
        content = convert_saved_model(str(model))
        with atomic_write(output) as partial:
            partial.write_bytes(content)
    click.echo(f"network of {model}: {output}")
