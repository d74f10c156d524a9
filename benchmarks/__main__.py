"""Runs the benchmarks, prints a table, and writes the figures as JSON to benchmarks/results/."""

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import RESULTS, BenchmarkError, Figure

NAMES = (  # evaluation uses the weights from time_to_quality
    "main_job",
    "reading",
    "ingest",
    "scale",
    "metrics",
    "drift",
    "serving",
    "training_step",
    "time_to_quality",
    "translation",
    "distillation",
    "evaluation",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the named benchmarks, or all of them.

    Raises:
        BenchmarkError: there is no benchmark of a name; then none has run.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"all, or: {', '.join(NAMES)}")
    names = parser.parse_args(arguments).names
    if unknown := [name for name in names if name not in NAMES]:
        raise BenchmarkError(f"no benchmark {unknown[0]!r}; choose from {', '.join(NAMES)}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    print(f"figures go to {path}")
    figures: list[Figure] = []
    for name in names or NAMES:
        print(f"{name} ...", flush=True)
        for figure in importlib.import_module(f"benchmarks.{name}").figures():
            figures.append(figure)
            _write(path, figures)  # a later failure loses none
            print(_line(figure), flush=True)
    sys.exit(any(figure.reached is False for figure in figures))


def _write(path: Path, figures: Sequence[Figure]) -> None:
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    path.write_text(json.dumps({**machine, "figures": [asdict(f) for f in figures]}, indent=2))


def _line(figure: Figure) -> str:
    verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
    value = f"{figure.value:,.{2 if abs(figure.value) >= 1 else 4}f}"
    return f"  {figure.name:<62} {value:>10} {figure.unit:<10} {figure.bar:<16} {verdict}"


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
