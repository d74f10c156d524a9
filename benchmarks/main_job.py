"""Time and memory of the main job on the digits and of other commands, as whole processes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Figure, iadb

RESOLVERS = {"DriftReference", "Baseline"}  # which run every time


def figures() -> Iterator[Figure]:
    """Runs the main job in a new workspace, runs it again, and then the other commands."""
    with tempfile.TemporaryDirectory() as folder:
        data, workspace = f"{folder}/digits", f"{folder}/workspace"
        seconds = min(iadb("--help").seconds for _ in range(3))
        yield Figure("iadb --help", seconds, "s", "under 1", seconds < 1)

        write = iadb("data", "write", "digits", data)
        run = ("run", "--preset", "digits", "--data", data, "--workspace", workspace)
        first = iadb(*run)
        seconds = write.seconds + first.seconds
        yield Figure("make run, training included", seconds, "s", "under 300", seconds < 300)
        yield Figure("  peak memory", first.peak_mib, "MiB", "under 4096", first.peak_mib < 4096)

        again = iadb(*run)
        nodes = [line.split() for line in again.stdout.splitlines() if line.startswith("✓")]
        worked = [
            node for _, node, state, *_ in nodes if state != "cached" and node not in RESOLVERS
        ]
        name = f"run again: uncached nodes of {len(nodes) - len(RESOLVERS)}"
        yield Figure(name, len(worked), "nodes", "0", not worked)
        yield Figure("run again", again.seconds, "s", "under 25", again.seconds < 25)

        sample = ("sample", "--workspace", workspace, "-o", str(Path(folder) / "samples.png"))
        seconds = iadb(*sample).seconds
        yield Figure("iadb sample, 64 digits", seconds, "s", "under 15", seconds < 15)
        yield Figure("iadb runs", iadb("runs", "--workspace", workspace).seconds, "s")
        check = iadb("serve-check", "--workspace", workspace)
        yield Figure("iadb serve-check", check.seconds, "s")
