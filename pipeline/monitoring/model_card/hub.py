"""A folder with a model as huggingface.co shows it, to be uploaded as it is."""

import shutil
from pathlib import Path

from pipeline.monitoring.model_card.write import write_missing
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.names import MODEL_CARD, WARM_UP

README = "README.md"


class HubError(ValueError):
    """A model that cannot be laid out, or a folder that is taken."""

    exit_code = exit_codes.USAGE


def lay_out(version: Path, folder: Path, workspace: Workspace) -> None:
    """Copies a pushed version to a new folder, with its card as README.md.

    The folder appears when it is complete.

    Args:
        version: folder of a version.
        folder: to make; may be an empty one.
        workspace: whose records a missing card is made from.

    Raises:
        HubError: the folder is not empty, or the version has no card and none can be made.
    """
    folder = folder.resolve()  # a link, or `.`, has no name to write beside
    if folder.is_relative_to(version.resolve()):
        raise HubError(f"{folder} lies in the model; name another folder with -o")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HubError(f"{folder} is there already; name a new folder with -o")
    if not (version / MODEL_CARD).exists() and workspace.metadata.exists():
        write_missing(workspace)
    if not (version / MODEL_CARD).exists():
        raise HubError(
            f"{version} has no {MODEL_CARD}, which is made from the records of the workspace that "
            "pushed it: name that one with --workspace"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(version, partial, ignore=_leave_out)
        (partial / MODEL_CARD).rename(partial / README)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _leave_out(_: str, names: list[str]) -> list[str]:
    """What only a server reads, and what is hidden."""
    return [name for name in names if name.startswith(".") or name == Path(WARM_UP).name]
