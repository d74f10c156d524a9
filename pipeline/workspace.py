"""The one folder that a pipeline writes to, and the lock that keeps a second run out."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.common import exit_codes


class WorkspaceError(RuntimeError):
    """A workspace that cannot be used: in use, read-only or full."""

    exit_code = exit_codes.WORKSPACE


class InUseError(WorkspaceError):
    """A workspace that another process works on."""


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

    @property
    def schedule(self) -> Path:
        """SQLite database of when the next check for new data is due."""
        return self.folder / "schedule.sqlite"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folders and holds the workspace for this process; a dead process holds nothing.

        Raises:
            InUseError: another run holds it.
            WorkspaceError: it cannot be written.
        """
        with self._writing():
            for folder in (self.artifacts, self.checkpoints, self.serving, self.reports, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        with self._holding(
            ".lock", "is in use by {}; wait for it to end, or choose another with --workspace"
        ):
            yield

    def check_free(self) -> None:
        """Raises what `locked` would, where another run is under way."""
        with self.locked():
            pass

    @contextmanager
    def attempting(self) -> Iterator[None]:
        """Lets no other process of this workspace look for new data and act on it.

        Raises:
            InUseError: another one does.
            WorkspaceError: the workspace cannot be written.
        """
        with self._holding(".attempt.lock", "is being checked for new data by {}"):
            yield

    @contextmanager
    def scheduled(self) -> Iterator[None]:
        """Makes this process the scheduler of the workspace.

        Raises:
            InUseError: it has one.
            WorkspaceError: it cannot be written.
        """
        with self._holding(".schedule.lock", "is scheduled already, by {}; stop that one first"):
            yield

    @contextmanager
    def _holding(self, name: str, problem: str) -> Iterator[None]:
        """Holds a lock file; `problem` says what it means that another process does, named {}."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 200).decode(errors="replace").strip() or "another process"
                raise InUseError(f"workspace {self.folder} {problem.format(holder)}") from None
            with self._writing():
                os.ftruncate(lock, 0)
                os.write(lock, f"process {os.getpid()} since {time.strftime('%F %T')}\n".encode())
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WorkspaceError(
                f"workspace {self.folder} cannot be written: {error.strerror}; "
                "choose another with --workspace"
            ) from None
