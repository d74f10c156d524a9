"""The folder that holds all that a pipeline writes, and its locks."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.common import exit_codes
from trainer.common.files import LockHeldError, holding

LATEST_SAMPLES = "latest.png"
MAX_DATABASE_PATH = 504  # bytes; SQLite allows 512 with the name of its own journal
PATTERN = "*?[\\"
IS_PATTERN = f"{' '.join(PATTERN)} in a path are read as a pattern"


class WorkspaceError(RuntimeError):
    """A workspace that cannot be used: in use, read-only or full."""

    exit_code = exit_codes.WORKSPACE


class InUseError(WorkspaceError):
    """A workspace that another process uses."""


class NoWorkspaceError(ValueError):
    """A folder that is no workspace, for example by a slip in its name."""

    exit_code = exit_codes.USAGE


def is_pattern(path: str) -> bool:
    """Whether Beam and TensorFlow would expand a path; IS_PATTERN is what a message says of it."""
    return not set(PATTERN).isdisjoint(path)


@dataclass(frozen=True)
class Locations:
    """URIs that a pipeline reads from and writes to.

    Attributes:
        artifacts: what the components produce.
        checkpoints: states of trainings, which outlive a failed run.
        serving: pushed models.
        latest_samples: a PNG with samples of the network that trains.
        push: changed to push once more a model that the cache takes for pushed.
    """

    artifacts: str
    checkpoints: str
    serving: str
    latest_samples: str
    push: str = ""

    @classmethod
    def below(cls, root: str) -> "Locations":
        """Those of a pipeline whose every node reaches one folder or bucket."""
        names = ("artifacts", "checkpoints", "serving", LATEST_SAMPLES)
        return cls(*(f"{root}/{name}" for name in names))

    @classmethod
    def of(cls, workspace: "Workspace", push: str = "") -> "Locations":
        """Those in a workspace on this machine."""
        return cls(
            artifacts=str(workspace.artifacts),
            checkpoints=str(workspace.checkpoints),
            serving=str(workspace.serving),
            latest_samples=str(workspace.latest_samples),
            push=push,
        )


@dataclass(frozen=True)
class Workspace:
    """The paths below the folder, and locks for its users."""

    folder: Path

    @property
    def metadata(self) -> Path:
        """SQLite database of ML Metadata."""
        return self.folder / "metadata.sqlite"

    @property
    def journal(self) -> Path:
        """SQLite database of the checks for new data and their outcomes."""
        return self.folder / "journal.sqlite"

    @property
    def artifacts(self) -> Path:
        """Outputs of the components: TFX's pipeline root."""
        return self.folder / "artifacts"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of trainings; they outlive a failed run."""
        return self.folder / "checkpoints"

    @property
    def serving(self) -> Path:
        """Pushed models, one numbered folder per version, as TF Serving watches them."""
        return self.folder / "serving"

    @property
    def reports(self) -> Path:
        """The report of each evaluation, as one HTML file."""
        return self.folder / "reports"

    @property
    def latest_samples(self) -> Path:
        """Samples of the network that trains, and in the end of the newest run's model."""
        return self.folder / LATEST_SAMPLES

    @property
    def logs(self) -> Path:
        """The logs, one file per run."""
        return self.folder / "logs"

    @property
    def access_logs(self) -> Path:
        """The logs of requests to `iadb serve`, a few files per port."""
        return self.logs / "serve"

    @property
    def results(self) -> Path:
        """The results, one JSON file per run (registry/outcome.py)."""
        return self.folder / "results"

    @property
    def chosen(self) -> Path:
        """The configuration that was chosen for the images of runs that name none, as YAML."""
        return self.folder / "chosen.yaml"

    def check_exists(self) -> None:
        """Checks that a run or a check has begun in the folder.

        Raises:
            NoWorkspaceError: none has.
        """
        places = (self.metadata, self.journal, self.artifacts)
        if not any(place.exists() for place in places):
            problem = "not a workspace" if self.folder.exists() else "no such folder"
            raise NoWorkspaceError(
                f"workspace {self.folder}: {problem}; a workspace contains {self.metadata.name} or "
                f"{self.journal.name} and is created by `iadb run`; choose another with --workspace"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Creates the folders and holds the workspace, until the process ends at the latest.

        Raises:
            InUseError: another run holds it.
            WorkspaceError: it cannot be written.
        """
        with self._holding(
            ".lock", "is in use by {}; wait for it to end, or choose another with --workspace"
        ):
            with self.writing():
                for folder in (
                    self.artifacts,
                    self.checkpoints,
                    self.serving,
                    self.reports,
                    self.logs,
                    self.results,
                ):
                    folder.mkdir(parents=True, exist_ok=True)
            yield

    def check_free(self) -> None:
        """Raises what `locked` would raise, for example if another run holds the workspace."""
        with self.locked():
            pass

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Keeps other processes from checking this workspace for new data.

        Raises:
            InUseError: another process checks it.
            WorkspaceError: the workspace cannot be written.
        """
        with self._holding(".check.lock", "is being checked for new data by {}"):
            yield

    @contextmanager
    def scheduled(self) -> Iterator[None]:
        """Makes this process the one that schedules checks of the workspace.

        Raises:
            InUseError: it already has one.
            WorkspaceError: it cannot be written.
        """
        with self._holding(".schedule.lock", "is already scheduled by {}; stop that one first"):
            yield

    @contextmanager
    def _holding(self, name: str, problem: str) -> Iterator[None]:
        """Holds a lock file; `problem` is the error if another process, its {}, holds it."""
        with ExitStack() as stack:
            with self.writing():
                self._check_length()
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                except FileExistsError:  # what is there is a file, or a link that leads nowhere
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
                try:
                    stack.enter_context(holding(self.folder / name))
                except LockHeldError as holder:
                    raise InUseError(f"workspace {self.folder} {problem.format(holder)}") from None
            yield

    def _check_length(self) -> None:
        """Checks that the databases can be opened, of which SQLite resolves the path."""
        longest = MAX_DATABASE_PATH - len(f"/{self.metadata.name}")
        length = len(os.fsencode(os.path.realpath(self.folder)))
        if length > longest:
            raise WorkspaceError(
                f"workspace {self.folder}: its path is too long for SQLite ({length} bytes; at "
                f"most {longest}); choose another with --workspace"
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Reports what keeps the workspace from being written as a WorkspaceError."""
        try:
            yield
        except OSError as error:
            raise WorkspaceError(
                f"workspace {self.folder} cannot be written: {error.strerror}; "
                "choose another with --workspace"
            ) from None
