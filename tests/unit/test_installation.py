"""What `make` says where the locked packages cannot be installed."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / ".ci/check_platform.py"


@pytest.mark.parametrize(
    ("machine", "need"),
    [
        ("", ""),
        ("sys.version_info = (3, 10, 4)", "Python 3.11, 3.12 or 3.13 (make PYTHON="),
        ("sys.version_info = (3, 14, 0)", "Python 3.11, 3.12 or 3.13 (make PYTHON="),
        ("sys.modules['ensurepip'] = None", "(Debian, Ubuntu: apt-get install python3-venv)"),
        ("platform.libc_ver = lambda: ('glibc', '2.36')", "glibc 2.39 or newer (Debian 13, "),
        ("platform.libc_ver = lambda: ('', '')", "Linux with glibc"),
    ],
)
def test_a_machine_that_does_not_fit_is_named_in_one_line(machine, need):
    program = (
        f"import platform, runpy, sys; {machine}\nrunpy.run_path({str(CHECK)!r}, None, '__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == bool(need)
    assert need in done.stderr and done.stderr.count("\n") == bool(need)
