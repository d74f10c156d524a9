"""Measures wall time and peak memory of whole processes, as the kernel counts them."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("results")  # output of the benchmarks


class BenchmarkError(ValueError):
    """A setting or a file does not let a benchmark run."""


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: unit of the value.
        bar: the requirement, in words; empty if there is none.
        reached: whether the value meets the requirement; None if there is none.
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
        peak_mib: largest resident set of the process or of one it waited for, in MiB.
        stdout: its output.
    """

    seconds: float
    peak_mib: float
    stdout: str


def run(*command: str) -> Process:
    """Runs a command until it exits.

    Raises:
        RuntimeError: it failed; the message ends with its error output.
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
            raise RuntimeError(f"{command[:4]} exited with {process.returncode}: {tail}")
        return Process(seconds, usage.ru_maxrss / 1024, out.read().decode(errors="replace"))


def python(module: str, *arguments: str) -> Process:
    """Runs a module of this project in a new interpreter."""
    return run(sys.executable, "-m", module, *arguments)


def iadb(*arguments: str) -> Process:
    """Runs the command line in a new interpreter."""
    return run(sys.executable, "-c", "from pipeline.cli import main; main()", *arguments)
