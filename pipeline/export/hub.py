"""A folder with a model as huggingface.co shows it, to be uploaded as it is."""

from pathlib import Path

from pipeline.export.new_folder import ExportError, copy_model, new_folder
from pipeline.monitoring.model_card import write_missing
from pipeline.workspace import Workspace
from trainer.names import MODEL_CARD

README = "README.md"


def lay_out(version: Path, folder: Path, workspace: Workspace) -> None:
    """Copies a pushed version to a new folder, with its card as README.md.

    Args:
        version: folder of a version, or one that this function wrote.
        folder: to make; may be an empty one.
        workspace: whose records a missing card is made from.

    Raises:
        ExportError: the folder is not empty or lies in the model, or the version has no card and
            none can be made.
    """
    with new_folder(folder, version) as partial:
        if not _has_card(version) and workspace.metadata.exists():
            write_missing(workspace)
        if not _has_card(version):
            if version.resolve().is_relative_to(workspace.artifacts.resolve()):
                raise ExportError(
                    f"{version} has no {MODEL_CARD}, for it was never pushed: export the version "
                    "that `iadb promote` makes of it"
                )
            raise ExportError(
                f"{version} has no {MODEL_CARD}, which is made from the records of the workspace "
                "that pushed it: name that one with --workspace"
            )
        copy_model(version, partial)
        if (partial / MODEL_CARD).exists():
            (partial / MODEL_CARD).rename(partial / README)


def _has_card(version: Path) -> bool:
    return any((version / name).exists() for name in (MODEL_CARD, README))
