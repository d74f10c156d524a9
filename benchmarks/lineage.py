"""Queries of ML Metadata with a thousand recorded runs, each with all nodes and a base."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import Figure, iadb
from pipeline.registry import lineage
from pipeline.registry.models import load_models
from pipeline.workspace import Workspace
from tests.recorded import Recorded

RUNS = 1000
PUSHED = 50  # of them, with a version that still exists
BAR = "under 1"


def figures() -> Iterator[Figure]:
    """Queries models and runs, in this process and by whole commands."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # recording is not measured
        workspace = Workspace(Path(folder))
        _record(workspace)
        store = lineage.connect(workspace.metadata)
        for name, look_up in (
            ("all models", lambda: load_models(store, workspace.serving)),
            ("the last 20 runs", lambda: lineage.runs(store, last=20)),
            ("all runs", lambda: lineage.runs(store)),
        ):
            seconds = _seconds(look_up)
            yield Figure(f"look-up of {name}, {RUNS:,} runs", seconds, "s", BAR, seconds < 1)
        for command in ("models", "runs"):
            seconds = iadb(command, "--workspace", folder).seconds
            yield Figure(f"iadb {command}, {RUNS:,} runs", seconds, "s")


def _record(workspace: Workspace) -> None:
    recorded, base = Recorded(workspace.metadata, workspace.artifacts), None
    for number in range(RUNS):
        blessed = number % 3 > 0
        model = recorded.run(span=number, base=base, blessed=blessed)
        base = model if blessed else base
        if number >= RUNS - PUSHED:
            recorded.push(model, workspace.serving)


def _seconds(look_up: Callable[[], object]) -> float:
    started = time.monotonic()
    look_up()
    return time.monotonic() - started
