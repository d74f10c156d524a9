"""Compares what five small workspaces hold with what was recorded, or records it anew.

`make canonical` compares; `make canonical OPTIONS=--record` records. A step that moves a recorded
value on purpose records again, and its commit says why.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np

from tests.canonical import commands, facts, workspaces

RECORDED = Path(__file__).with_name("recorded")
COMMANDS = "commands"
NAMES = (*workspaces.WORKSPACES, COMMANDS)
RELATIVE, ABSOLUTE = 1e-3, 1e-4  # tolerance of floats
GRAY_LEVELS = 0.3  # mean absolute difference of pixels


def same(recorded: Any, now: Any) -> bool:
    """Whether a fact has not moved."""
    if isinstance(recorded, float) and isinstance(now, float):
        return abs(now - recorded) <= ABSOLUTE + RELATIVE * abs(recorded)
    return type(recorded) is type(now) and recorded == now


def without_parts(keys: set[str], others: set[str]) -> list[str]:
    """Keys that others lack; of a tree that they lack as a whole, its root alone.

    A key that is a tree in the others is among them: an empty list where the others have items.
    """
    prefixes = {key[: dot.start()] for key in others for dot in re.finditer(r"\.|$", key)}
    found = {}
    for key in sorted(keys - others):
        ends = (key[: dot.start()] for dot in re.finditer(r"\.|$", key))
        found[next((end for end in ends if end not in prefixes), key)] = True
    return list(found)


def moved(before: np.ndarray, now: np.ndarray) -> str:
    """How far pixels are from those recorded; empty if not beyond the tolerance."""
    if before.shape != now.shape:
        return f"shape {before.shape} -> {now.shape}"
    distance = np.abs(before.astype(float) - now).mean()
    return f"{distance:.2f} gray levels apart on average" if distance > GRAY_LEVELS else ""


def recorded(name: str) -> tuple[dict, dict]:
    """The recorded values and arrays; none if there are none yet."""
    text, pixels = RECORDED / f"{name}.json", RECORDED / f"{name}.npz"
    values = json.loads(text.read_text("utf-8")) if text.exists() else {}
    return values, dict(np.load(pixels)) if pixels.exists() else {}


def differences(name: str, values: dict, arrays: dict) -> list[str]:
    """What has moved, one line each."""
    old, old_arrays = recorded(name)
    lines = [f"gone: {key}" for key in without_parts({*old, *old_arrays}, {*values, *arrays})]
    lines += [f"new: {key}" for key in without_parts({*values, *arrays}, {*old, *old_arrays})]
    lines += [
        f"{key}: {_text(old[key])} -> {_text(values[key])}"
        for key in values
        if key in old and not same(old[key], values[key])
    ]
    for key in sorted(old_arrays.keys() & arrays.keys()):
        if how := moved(old_arrays[key], arrays[key]):
            lines.append(f"{key}: {how}")
    return lines


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def record(name: str, values: dict, arrays: dict) -> None:
    """Writes the recordings of one name; what has not moved stays as it is recorded."""
    RECORDED.mkdir(exist_ok=True)
    old, old_arrays = recorded(name)
    kept = {
        key: old[key]
        if key in old and same(old[key], value)
        else float(f"{value:.6g}")
        if isinstance(value, float)
        else value
        for key, value in values.items()
    }
    text = json.dumps(kept, indent=0, ensure_ascii=False)
    (RECORDED / f"{name}.json").write_text(text + "\n", "utf-8")
    pixels = {
        key: old_arrays[key] if key in old_arrays and not moved(old_arrays[key], now) else now
        for key, now in sorted(arrays.items())
    }
    if pixels:
        np.savez_compressed(RECORDED / f"{name}.npz", **pixels)


def main() -> int:
    """Compares or records; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--record", action="store_true", help="record instead of comparing")
    parser.add_argument("--folder", type=Path, default=Path("build/canonical"))
    arguments = parser.parse_args()
    if unknown := {*arguments.names} - {*NAMES}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")
    total = 0
    for name in arguments.names or NAMES:
        began = time.monotonic()
        folder = arguments.folder.absolute() / name
        try:
            if name == COMMANDS:
                found = commands.collect(workspaces.new(folder).folder)
            else:
                found = facts.collect(workspaces.make(name, folder))
        except workspaces.FailedRunError as error:
            print(f"{name}: the run failed: {error}", flush=True)
            total += 1
            continue
        values, arrays = found.values, found.arrays
        seconds = f"{time.monotonic() - began:.0f} s"
        if arguments.record:
            record(name, values, arrays)
            print(
                f"{name}: {len(values)} values, {len(arrays)} arrays recorded, {seconds}",
                flush=True,
            )
            continue
        lines = differences(name, values, arrays)
        what = f"{len(lines)} moved" if lines else "nothing moved"
        print(
            f"{name}: {what}, {seconds}",
            *(f"{name}: {line}" for line in lines),
            sep="\n",
            flush=True,
        )
        total += len(lines)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
