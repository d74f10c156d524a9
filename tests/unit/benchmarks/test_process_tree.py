"""Processor time and memory are those of a process and of all that it has started."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.process_tree import processor_seconds, resident_mib

BUSY = "import time\nwhile time.process_time() < 0.4: pass\n"


def start(code):
    process = subprocess.Popen(
        [sys.executable, "-c", code + "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    return process


@pytest.mark.parametrize(
    "wait",
    ["import subprocess, sys; subprocess.run([sys.executable, '-c', BUSY])\n", "exec(BUSY)\n"],
    ids=["a child that has ended", "its own"],
)
def test_processor_time_includes(wait):
    process = start(f"BUSY = {BUSY!r}\n{wait}")
    assert processor_seconds(process.pid) >= 0.3
    process.communicate(b"\n")


def test_a_running_child_counts():
    before = processor_seconds(os.getpid()), resident_mib(os.getpid())
    process = start(BUSY + "held = bytearray(b'x') * 100 * 2**20\n")
    assert processor_seconds(os.getpid()) - before[0] >= 0.3
    assert resident_mib(os.getpid()) - before[1] >= 100
    process.communicate(b"\n")


def test_a_process_that_has_ended_costs_nothing():
    process = start("")
    process.communicate(b"\n")
    assert processor_seconds(process.pid) == resident_mib(process.pid) == 0


def test_time_spent_asleep_is_not_counted():
    before = processor_seconds(os.getpid())
    time.sleep(0.2)
    assert processor_seconds(os.getpid()) - before < 0.2
