"""The one folder that a pipeline writes to, and the lock that keeps a second run out."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class WorkspaceError(RuntimeError):
    """A workspace that cannot be used: in use, read-only or full."""


@dataclass(frozen=True)
class Workspace:
    """Where each thing lies below one folder."""

    folder: Path

    @property
    def metadata(self) -> Path:
        """SQLite database of ML Metadata."""
        return self.folder / "metadata.sqlite"

    @property
    def journal(self) -> Path:
        """SQLite database of what was done without a person looking."""
        return self.folder / "journal.sqlite"

    @property
    def artifacts(self) -> Path:
        """What the components produce: TFX's pipeline root."""
        return self.folder / "artifacts"

    @property
    def checkpoints(self) -> Path:
        """States of trainings, which outlive a failed run."""
        return self.folder / "checkpoints"

    @property
    def serving(self) -> Path:
        """Pushed models, a numbered folder a version, as TF Serving watches them."""
        return self.folder / "serving"

    @property
    def reports(self) -> Path:
        """The report of each evaluation, as one HTML file."""
        return self.folder / "reports"

    @property
    def logs(self) -> Path:
        """One log file a run."""
        return self.folder / "logs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folders and holds the workspace for this process; a dead process holds nothing.

        Raises:
            WorkspaceError: another run holds it, or it cannot be written.
        """
        try:
            for folder in (self.artifacts, self.checkpoints, self.serving, self.reports, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise WorkspaceError(
                f"workspace {self.folder} cannot be written: {error.strerror}; "
                "choose another with --workspace"
            ) from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 200).decode(errors="replace").strip() or "another process"
                raise WorkspaceError(
                    f"workspace {self.folder} is in use by {holder}; wait for it to end, or choose "
                    "another with --workspace"
                ) from None
            try:
                os.ftruncate(lock, 0)
                os.write(lock, f"process {os.getpid()} since {time.strftime('%F %T')}\n".encode())
            except OSError as error:
                raise WorkspaceError(
                    f"workspace {self.folder} cannot be written: {error.strerror}"
                ) from None
            yield
        finally:
            os.close(lock)
