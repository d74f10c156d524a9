"""The files of a workspace that pages show, read without leaving the workspace."""

import json
from pathlib import Path
from typing import Any

from trainer.common.files import open_below


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

    def read_json(self, path: Path) -> dict[str, Any]:
        """The object in a file; empty if the file is missing or damaged."""
        try:
            found = json.loads(self.read(path) or b"null")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
