"""Measures whole processes: wall time and peak memory, as the kernel counts them."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("results")  # what runs of the benchmarks keep


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: of the value.
        bar: what it has to reach, in words; empty where it is only stated.
        reached: whether it does; None where there is no bar.
    """

    name: str
    value: float
    unit: str
    bar: str = ""
    reached: bool | None = None


@dataclass(frozen=True)
class Process:
    """A finished process.

    Attributes:
        seconds: wall time.
        peak_mib: largest resident set of it or of a process it waited for, in MiB.
        stdout: what it printed.
    """

    seconds: float
    peak_mib: float
    stdout: str


def run(*command: str) -> Process:
    """Runs a command to its end.

    Raises:
        RuntimeError: it failed; the text ends with what it printed as errors.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            tail = err.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{command[:4]} ended with {process.returncode}: {tail}")
        return Process(seconds, usage.ru_maxrss / 1024, out.read().decode(errors="replace"))


def python(module: str, *arguments: str) -> Process:
    """Runs a module of this project in a fresh interpreter."""
    return run(sys.executable, "-m", module, *arguments)


def iadb(*arguments: str) -> Process:
    """Runs the command line in a fresh interpreter."""
    return run(sys.executable, "-c", "from pipeline.cli import main; main()", *arguments)
