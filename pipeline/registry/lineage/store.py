"""The metadata store of a workspace, and where the artifacts in it are."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.workspace import Workspace, WorkspaceError
from trainer.common.remote_path import AnyPath
from trainer.common.text import first_line

if TYPE_CHECKING:  # psycopg is in the extra kubeflow
    from pipeline.metadata.database import Database

RESTORE = (
    "restore it from a backup, or begin another workspace; serving/ holds the models that were "
    "pushed"
)


def connect(database: "Path | Database") -> MetadataStore:
    """Opens a metadata database; one that does not exist is not made and reads as empty.

    Raises:
        WorkspaceError: the file cannot be opened as a database; or it is missing or empty, beside
            artifacts: it would become the database of a new workspace, whose first run overwrites
            them.
    """
    if not isinstance(database, Path):
        return database.connect()
    logging.getLogger("absl").addFilter(_is_not_raised)
    config = mlmd.ConnectionConfig()
    check_not_lost(database)
    if database.exists():
        config.sqlite.filename_uri = str(database)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
    else:
        config.fake_database.SetInParent()  # in memory
    try:
        return MetadataStore(config)
    except RuntimeError as error:  # its text is followed by a statement in SQL
        text = first_line(error).removeprefix("Error when executing query: ")
        reason, _, _ = text.partition(" query: ")
        raise WorkspaceError(
            f"{database} cannot be opened: {reason}; if it is damaged, {RESTORE}"
        ) from error


def check_not_lost(database: "Path | Database") -> None:
    """Checks that the database of a workspace is there if runs have recorded artifacts in it.

    Raises:
        WorkspaceError: the file is missing or empty, beside artifacts.
    """
    if not isinstance(database, Path):  # a server holds it
        return
    made = Workspace(database.parent).artifacts
    there = database.exists()
    if (there and database.stat().st_size) or not made.is_dir() or not any(made.iterdir()):
        return
    raise WorkspaceError(
        f"{database} is {'empty' if there else 'missing'}, though runs have recorded {made} in it: "
        f"{RESTORE}"
    )


def _is_not_raised(record: logging.LogRecord) -> bool:
    """False for an error that ML Metadata also raises: it logs it with its statement in SQL."""
    return not str(record.msg).startswith("mlmd client %s: ")


def follow_move(store: MetadataStore, workspace: Workspace) -> bool:
    """Records where artifacts are, if the workspace was moved or copied or has another path here.

    Otherwise models would be compared with no earlier ones, since these would not be found; those
    of a copy would be read in the original. The records of a cluster stay: its nodes may mount the
    volume at another path than this machine does.

    Args:
        store: of a workspace that this process holds.
        workspace: the workspace.

    Returns:
        Whether artifacts were elsewhere.
    """
    if not isinstance(workspace.metadata, Path):  # a server holds it, and others use it
        return False
    artifacts, moved = workspace.artifacts, []
    for artifact in store.get_artifacts():
        recorded, place = Path(artifact.uri), place_of(artifact, artifacts)
        if recorded != place and place.exists() and not _is_same(recorded, place):
            artifact.uri = str(place)
            moved.append(artifact)
    if moved:
        store.put_artifacts(moved)
    return bool(moved)


def _is_same(recorded: Path, place: Path) -> bool:
    """Whether two paths lead to one folder, as through a link."""
    try:
        return recorded.samefile(place)
    except OSError:  # it is gone, or one that this user may not look into
        return False


def place_of(artifact: mlmd.Artifact, artifacts: AnyPath) -> AnyPath:
    """The folder of an artifact in the folder of a workspace, even if that was moved since."""
    *_, below = artifact.uri.rpartition(f"/{artifacts.name}/")
    return artifacts.joinpath(*below.split("/")[:3])  # node, output key, execution
