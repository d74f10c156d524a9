"""The tutorials as modules."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"


@pytest.fixture
def tutorial(monkeypatch):
    """Imports a tutorial by its name."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module
