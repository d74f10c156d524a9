"""Reads the pictures of an evaluation, some of which are written only where there is something."""

from tfx.dsl.io import fileio


def read_if_there(path: str) -> bytes | None:
    """The content of a file; None if there is none."""
    if not fileio.exists(path):
        return None
    with fileio.open(path, "rb") as file:
        return file.read()
