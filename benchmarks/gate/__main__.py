"""Measures what the gate refuses: `make gate`, or `python -m benchmarks.gate --help`."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks.gate import nights, table
from benchmarks.gate.described import Described
from benchmarks.gate.faults import CASES, Case
from benchmarks.gate.pictures import make_sets, split
from benchmarks.gate.remembered import Remembered
from benchmarks.gate.verdicts import judge
from components.sample_evaluator import sources
from data.errors import DataError

FOLDER = Path("build/gate")
GOOD_SEEDS, FAULT_SEEDS, NIGHT_SEEDS = 25, 20, 3
NIGHT_CASES = {"ratchet": nights.STEP, "equal-nights": 0}  # levels of noise that each night adds


def main(arguments: Sequence[str] | None = None) -> None:
    """Judges all models and writes results.json and table.md."""
    chosen = _parse(arguments)
    sets = make_sets(chosen.fashion, chosen.emoji)
    FOLDER.mkdir(parents=True, exist_ok=True)
    remembered = Remembered(FOLDER)
    remembered.install()
    found: list[dict[str, Any]] = []
    clock = _Clock()
    try:
        plans = []
        for name in chosen.sets:
            described = Described(sets[name](), FOLDER)
            cases = [
                c for c in chosen.faults if c not in CASES or CASES[c].suits(described.pictures)
            ]
            plans.append((described, cases))
    except DataError as error:
        sys.exit(f"error: {error}")
    clock.expected = sum(
        len(_seeds(case, chosen.seeds)) * (1 + nights.NIGHTS * (case in NIGHT_CASES))
        for _, cases in plans
        for case in cases
    )
    for described, cases in plans:
        for case in cases:
            rows = []
            for seed in _seeds(case, chosen.seeds):
                for row in _judge(described, case, seed):
                    clock.done += 1
                    if row is not None:
                        rows.append(row)
            described.forget()
            found += rows
            _write(found)
            remembered.save()
            print(f"{table.line(rows)}  ({clock})", flush=True)
    print(f"written to {FOLDER}/{table.MARKDOWN}, {table.VALUES} and {table.RESULTS}")
    sys.exit(any(table.is_wrong(row) for row in found))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names, cases = list(make_sets(None, None)), [*CASES, *NIGHT_CASES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)

    def some(allowed: list[str]) -> Any:
        def parse(text: str) -> list[str]:
            given = text.split(",")
            if unknown := [name for name in given if name not in allowed]:
                raise argparse.ArgumentTypeError(
                    f"there is no {unknown[0]!r}; choose from {', '.join(allowed)}"
                )
            return given

        return parse

    parser.add_argument("--sets", type=some(names), default=names, help=",".join(names))
    parser.add_argument("--faults", type=some(cases), default=cases, help=",".join(cases))
    parser.add_argument("--seeds", type=int, help="the first so many, of each model")
    parser.add_argument("--fashion", metavar="FOLDER", help="with the files of Fashion-MNIST")
    parser.add_argument("--emoji", metavar="TARBALL", help="of the emoji, in place of `npm pack`")
    return parser.parse_args(arguments)


def _seeds(case: str, most: int | None) -> range:
    if case in NIGHT_CASES:
        count = NIGHT_SEEDS
    else:
        count = GOOD_SEEDS if CASES[case].is_good else FAULT_SEEDS
    return range(count if most is None else min(most, count))


def _judge(described: Described, name: str, seed: int) -> Iterator[dict[str, Any] | None]:
    """Yields once for each verdict, and the last time what was found."""
    row = {"set": described.pictures.name, "case": name, "seed": seed}
    parts = split(described.pictures, seed)
    if name in NIGHT_CASES:
        for result in nights.run(described, parts, seed, NIGHT_CASES[name]):
            yield result and row | result._asdict()
        return
    case: Case = CASES[name]
    labeled = case.labeled
    images = {
        sources.TRAIN: described.real(parts.train, labeled),
        sources.REAL: described.real(parts.real, labeled),
        sources.NOISE: described.noise,
        sources.CANDIDATE: described.take(case.parts(described.pictures, parts, seed), labeled),
    }
    if case.beside:
        images[sources.BASELINE] = described.real(parts.other, labeled)
    yield row | table.summarize(judge(images, described.pictures.options))


def _write(found: list[dict[str, Any]]) -> None:
    (FOLDER / table.RESULTS).write_text(json.dumps(found, indent=1))
    (FOLDER / table.MARKDOWN).write_text(table.markdown(found))
    (FOLDER / table.VALUES).write_text(table.values(found))


class _Clock:
    """How much is done, and how long the rest takes if it is as slow."""

    def __init__(self) -> None:
        self.expected = self.done = 0
        self._started = time.monotonic()

    def __str__(self) -> str:
        left = (time.monotonic() - self._started) * (self.expected / max(self.done, 1) - 1)
        return f"{self.done / self.expected:.0%} done, {left / 60:.0f} min left"


if __name__ == "__main__":
    main()
