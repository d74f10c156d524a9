"""Measurements that outlive an interruption: a line of JSON each, found again by what was done."""

import hashlib
import json
from pathlib import Path
from typing import Any

from benchmarks.alternating import WORKERS
from benchmarks.measure import BenchmarkError
from components.source_hash import source_hash
from trainer.common.files import atomic_write


def code_hash(*files: Path) -> str:
    """Identifies the code of trainer, workers and files: what other code measured is not reused."""
    digest = hashlib.sha256(source_hash("trainer.train").encode())
    for file in (*sorted(WORKERS.glob("*.py")), *files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Rows:
    """The rows of a file of JSON lines, each with a key, of what was done, and what was measured.

    Args:
        path: the file; it need not exist.

    Raises:
        BenchmarkError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        try:
            self._rows = [json.loads(line) for line in lines]
            self._found = {_text(row["key"]): row["measured"] for row in self._rows}
        except (ValueError, KeyError, TypeError):
            raise BenchmarkError(f"{path} is not a file of measured rows: delete it") from None

    def find(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """What was measured under an equal key, if anything was."""
        return self._found.get(_text(key))

    def add(self, key: dict[str, Any], measured: dict[str, Any]) -> None:
        """Appends a row, which a kill does not leave half written."""
        self._rows.append({"key": key, "measured": measured})
        self._found[_text(key)] = measured
        with atomic_write(self._path) as partial:
            partial.write_text("".join(json.dumps(row) + "\n" for row in self._rows))


def _text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
