"""Reads the files of an evaluation, some of which are written only where there is something."""

import json
from typing import Any

from tfx.dsl.io import fileio


def read_if_there(path: str) -> bytes | None:
    """The content of a file; None if there is none."""
    if not fileio.exists(path):
        return None
    with fileio.open(path, "rb") as file:
        return file.read()


def read_json_if_there(path: str) -> Any:
    """The content of a JSON file; None if there is none."""
    return json.loads(read_if_there(path) or "null")
