"""Runs the benchmarks, prints a table, and writes the figures as JSON to benchmarks/results/."""

import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict

from benchmarks.measure import RESULTS, BenchmarkError, Figure

NAMES = (  # quality_against_nfe and evaluation need the weights from time_to_quality
    "main_job",
    "lineage",
    "reading",
    "ingest",
    "sources",
    "scale",
    "metrics",
    "drift",
    "serving",
    "mark_in_noise",
    "training_step",
    "ingredients",
    "time_to_quality",
    "quality_against_nfe",
    "translation",
    "distillation",
    "evaluation",
)


def main(names: list[str]) -> None:
    """Runs the named benchmarks, or all of them."""
    RESULTS.mkdir(exist_ok=True)
    figures: list[Figure] = []
    for name in names or NAMES:
        print(f"{name} ...", flush=True)
        for figure in importlib.import_module(f"benchmarks.{name}").figures():
            figures.append(figure)
            print(_line(figure), flush=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    path.write_text(json.dumps({**machine, "figures": [asdict(f) for f in figures]}, indent=2))
    print(f"written to {path}")
    sys.exit(any(figure.reached is False for figure in figures))


def _line(figure: Figure) -> str:
    verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
    value = f"{figure.value:,.{2 if abs(figure.value) >= 1 else 4}f}"
    return f"  {figure.name:<62} {value:>10} {figure.unit:<10} {figure.bar:<16} {verdict}"


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
