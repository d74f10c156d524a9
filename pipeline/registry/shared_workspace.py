"""The workspace of a cluster's runs: a volume or a bucket, and a database of ML Metadata."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.workspace import IS_PATTERN, InUseError, NoWorkspaceError, Workspace, is_pattern
from trainer.common import exit_codes
from trainer.common.remote_path import to_path

if TYPE_CHECKING:
    from pipeline.metadata.database import Database


class PlaceError(ValueError):
    """A folder or a metadata database that cannot be used together, or not here."""

    exit_code = exit_codes.USAGE


@dataclass(frozen=True)
class SharedWorkspace(Workspace):
    """What `Workspace` is for local runs.

    Attributes:
        database: of ML Metadata. Nodes share its lock, and a command that changes files needs it
            alone, so neither depends on a file system with locks.
    """

    database: "Database"

    @property
    def metadata(self) -> "Database":
        """The database of ML Metadata."""
        return self.database

    def check_exists(self) -> None:
        """Checks that a run has begun in the folder and in the database.

        Raises:
            NoWorkspaceError: none has.
            MetadataDatabaseError: the database is unreachable or rejects the connection.
        """
        if not self.artifacts.exists():
            raise NoWorkspaceError(
                f"workspace {self.folder}: contains no {self.artifacts.name}, which every run of a "
                "cluster writes; choose kubeflow.root with --workspace"
            )
        if not self.database.exists():
            raise NoWorkspaceError(
                f"metadata database {self.database.name}: contains no runs; choose another with "
                "--metadata"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the workspace, until the process ends at the latest.

        Raises:
            InUseError: a node of a run, or another command, uses it; the message says which.
            MetadataDatabaseError: the database is unreachable or rejects the connection.
        """
        from pipeline.metadata.database import FilesInUseError

        with ExitStack() as stack:
            try:
                stack.enter_context(self.database.files_changed())
            except FilesInUseError as holder:
                raise InUseError(
                    f"workspace {self.folder} is in use by {holder}; wait for it to end"
                ) from None
            yield


def local_workspace(folder: str, advice: str = "") -> Workspace:
    """The workspace of local runs in a folder.

    Args:
        folder: ~ is the home directory.
        advice: what else a user may do who names a bucket.

    Raises:
        PlaceError: no folder is named, or it is in a bucket.
    """
    _require_name(folder)
    if "://" in folder:
        raise PlaceError(f"--workspace {folder}: local runs need a folder of this machine{advice}")
    return Workspace(Path(folder).expanduser().resolve())


def workspace_to_run_in(folder: str) -> Workspace:
    """The workspace that local runs are about to write.

    Args:
        folder: ~ is the home directory.

    Raises:
        PlaceError: no folder is named, or it is in a bucket, or its absolute path is read as a
            pattern.
    """
    workspace = local_workspace(folder)
    if is_pattern(str(workspace.folder)):
        raise PlaceError(f"--workspace {workspace.folder}: {IS_PATTERN}; choose another folder")
    return workspace


def open_workspace(folder: str, metadata: str | None) -> Workspace:
    """The workspace of a folder: of local runs, or with a URL of a metadata database, of a cluster.

    Raises:
        PlaceError: no folder is named, or it is in a bucket and no database is given, or psycopg is
            missing.
        MetadataUrlError, MetadataDatabaseError: as Database.of_url does.
    """
    if not metadata:
        return local_workspace(
            folder, "; for a cluster's runs, name their database with --metadata"
        )
    _require_name(folder)
    if importlib.util.find_spec("psycopg") is None:
        raise PlaceError(
            "--metadata: psycopg is missing; in the folder of the project, run: "
            "pip install '.[kubeflow]'"
        )
    os.environ.setdefault("GLOG_minloglevel", "2")  # ML Metadata logs each connection
    from pipeline.metadata.database import Database

    return SharedWorkspace(to_path(os.path.expanduser(folder)).resolve(), Database.of_url(metadata))


def _require_name(folder: str) -> None:
    """Refuses empty text, such as that of a variable that is not set: the working directory."""
    if not folder:
        raise PlaceError('--workspace "": is empty; name a folder, or leave the option out')
