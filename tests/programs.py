"""Programs that tests need and that are no Python packages."""

import os
import shutil

import pytest


def find_program(name: str, package: str) -> str:
    """The path of a program; without it, the test is skipped, but fails in CI.

    Args:
        name: of the program.
        package: of Debian that has it.
    """
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"there is no {name}: what it looks at is not to be released unseen")
        pytest.skip(f"there is no {name} (Debian: apt-get install {package})")
    return path
