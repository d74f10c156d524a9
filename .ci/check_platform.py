"""Says in one line why the locked wheels cannot be installed here, and exits with 1."""

import importlib.util
import platform
import sys

GLIBC = (2, 39)  # the manylinux tag of the ml-metadata and tensorflow-data-validation wheels
OLDEST, NEWEST = (3, 11), (3, 13)  # Python, as in setup.py


def main() -> None:
    """Checks the interpreter, the system and its C library."""
    found = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    libc, version = platform.libc_ver()
    if libc:
        found += f", {libc} {version}"
    if platform.system() != "Linux" or libc != "glibc":
        need = "Linux with glibc"
    elif platform.machine() != "x86_64":
        need = "x86_64"
    elif not OLDEST <= sys.version_info[:2] <= NEWEST:
        need = "Python 3.11, 3.12 or 3.13 (make PYTHON=/path/to/python3.13)"
    elif importlib.util.find_spec("ensurepip") is None:
        need = "the module venv of Python (Debian, Ubuntu: apt-get install python3-venv)"
    elif tuple(map(int, version.split(".")[:2])) < GLIBC:
        need = "glibc 2.39 or newer (Debian 13, Ubuntu 24.04)"
    else:
        return
    sys.exit(f"iadb-tfx needs {need}; this is {found}")


if __name__ == "__main__":
    main()
