"""The command `iadb export`."""

from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, OutputPath, UserPath, require_library
from pipeline.workspace import Workspace

OUTPUTS = {"onnx": "network.onnx", "hub": "hub", "mlflow": "mlflow"}  # by format, what is written


@click.command()
@click.argument("model", required=False, type=UserPath())
@WORKSPACE
@click.option(
    "--format",
    "kind",
    default="onnx",
    show_default=True,
    type=click.Choice(list(OUTPUTS)),
    help="onnx: the network; hub, mlflow: a folder for those tools.",
)
@click.option(
    "-o", "--output", type=OutputPath(), help="Default: network.onnx, or the name of the format."
)
def export(model: Path | None, workspace: Workspace, kind: str, output: Path | None) -> None:
    """Write a model for other programs and places.

    MODEL is the folder of a SavedModel; default: the newest version. As onnx, its network computes
    x1 - x0; the file says which solver, grid and noise make images with it. For huggingface.co, a
    new folder gets the SavedModel with its model card as README.md; as mlflow, what
    `mlflow models serve` loads.
    """
    if kind == "onnx":
        require_library("tf2onnx", "onnx")
    from pipeline.export.new_folder import check_not_served
    from pipeline.registry import serving

    output = output or Path(OUTPUTS[kind])
    model = serving.find_model(workspace.serving, model)
    serving.read_metadata(model)  # damaged ones are reported, whatever the format takes from them
    check_not_served(output, model, workspace)
    if kind == "onnx":
        from pipeline.console.tables import make_console
        from pipeline.export.network import check_place, export_network

        check_place(output, model)
        export_network(model, output, make_console())
        click.echo(f"network of {model}: {output}")
    elif kind == "hub":
        from pipeline.export import hub

        hub.lay_out(model, output, workspace)
        click.echo(f"{model} with its model card: {output}")
    else:
        from pipeline.export import mlflow_model

        mlflow_model.lay_out(model, output)
        click.echo(f"{model} for MLflow: {output}")
