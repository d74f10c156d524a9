"""The files of a workspace that pages show, read without leaving the workspace."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from trainer.common.files import open_below


class Metric(BaseModel):
    """What metrics.json has of a metric, as far as pages show it.

    Attributes:
        larger_is_better: its direction.
        train: of training images in place of samples.
        noise: of noise.
    """

    larger_is_better: bool
    train: float | None = None
    noise: float | None = None


class Metrics(BaseModel):
    """The metrics in metrics.json (sample_evaluator/verdict/summary.py) by name."""

    metrics: dict[str, Metric] = {}


class FileReport(BaseModel):
    """The report on the files that a run read (image_example_gen/report.py).

    Attributes:
        splits: number of images by split.
        by_span: number of accepted and rejected files of each span.
        rejected_files: path and reason.
    """

    splits: dict[str, int] = {}
    by_span: dict[int, dict[str, int]] = {}
    rejected_files: list[tuple[str, str]] = []


_Content = TypeVar("_Content", bound=BaseModel)


class WorkspaceFiles:
    """Reads regular files below a folder and follows no links: others may write there too.

    A file that cannot be read this way counts as missing, like one that retention removed.

    Args:
        folder: of the workspace.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, path: Path) -> bool:
        """Whether the file can be read."""
        try:
            open_below(self._folder, path).close()
        except OSError:
            return False
        return True

    def read(self, path: Path) -> bytes | None:
        """The content of a file; None if it is missing."""
        try:
            with open_below(self._folder, path) as file:
                return file.read()
        except OSError:
            return None

    def read_json(self, path: Path, kind: type[_Content]) -> _Content:
        """The content of a file; an empty one if it is missing, damaged or of another form."""
        try:
            return kind.model_validate_json(self.read(path) or b"{}")
        except ValidationError:
            return kind()
