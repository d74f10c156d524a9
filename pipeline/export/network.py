"""The network of a model as ONNX: what its training has written beside it, or converted now."""

import os
from pathlib import Path

from rich.console import Console

from components.garbage import without_garbage_collection
from pipeline.console.progress import showing
from pipeline.export.new_folder import ExportError, check_outside
from pipeline.logs import logging_to
from trainer.common.files import atomic_write
from trainer.common.progress import phase
from trainer.light import network_file
from trainer.names import FINGERPRINT, NETWORK


def check_place(output: Path, model: Path) -> None:
    """Checks that a network may be written to a file; it may take the place of an earlier one.

    Raises:
        ExportError: something else is there, or the file would be in the model.
    """
    if output.is_dir():
        raise ExportError(f"{output} is a folder; name a file with -o")
    check_outside(output, model, "file")
    if output.is_file() and not _is_network(output):
        raise ExportError(
            f"{output} is no intact network of a model; remove it, or name another file with -o"
        )


def _is_network(file: Path) -> bool:
    """Whether a file may be replaced: a network that was exported, or nothing yet."""
    if not file.stat().st_size:
        return True
    try:
        network_file.read(file)
    except (OSError, ValueError):
        return False
    return True


def export_network(model: Path, output: Path, console: Console) -> None:
    """Writes the network of a model to a file.

    Args:
        model: folder of a sampler SavedModel.
        output: file to write.
        console: shows what takes long.

    Raises:
        SavedModelError: the model does not load.
        trainer.serving.onnx_network.ExportError: it is no sampler.
    """
    content = _network_beside(model) or _convert(model, console)
    with atomic_write(output.resolve()) as partial:  # a link stays one
        partial.write_bytes(content)


def _network_beside(model: Path) -> bytes | None:
    """The content of the file beside a model; None if there is none of this model."""
    try:
        content = network_file.read(model / NETWORK)
        fingerprint = network_file.fingerprint((model / FINGERPRINT).read_bytes())
    except (OSError, ValueError):  # there is none, or it is damaged
        return None
    return content if fingerprint.encode() in content else None


def _convert(model: Path, console: Console) -> bytes:
    with (
        logging_to(Path(os.devnull), verbose=False),  # TensorFlow logs when it starts
        showing(console, f"onnx of {model}"),
    ):
        with phase("starting TensorFlow"), without_garbage_collection():
            from trainer.serving.onnx_network import convert_saved_model
        return convert_saved_model(str(model))
