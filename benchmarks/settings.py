"""What the environment changes in the long benchmarks: BENCHMARK_SECONDS, _SEEDS and _TASKS.

A shortened run tries the benchmark; its figures are not those of a whole run, so it says so and
leaves out the bars.
"""

import os
from collections.abc import Collection
from typing import TypeVar

from benchmarks.measure import BenchmarkError

Number = TypeVar("Number", int, float)


def seconds(default: float) -> float:
    """Seconds of each training: BENCHMARK_SECONDS, or the benchmark's own.

    Raises:
        BenchmarkError: it is not a positive number.
    """
    return _positive("BENCHMARK_SECONDS", float(default))


def seeds(default: int) -> int:
    """Number of seeds: BENCHMARK_SEEDS, or the benchmark's own.

    Raises:
        BenchmarkError: it is not a positive number.
    """
    return _positive("BENCHMARK_SEEDS", default)


def chosen(names: Collection[str]) -> list[str]:
    """Those of `names` that BENCHMARK_TASKS lists, separated by commas; without it, all.

    Raises:
        BenchmarkError: it lists another name.
    """
    wanted = [name for name in os.environ.get("BENCHMARK_TASKS", "").split(",") if name]
    for name in wanted:
        if name not in names:
            raise BenchmarkError(f"BENCHMARK_TASKS={name}: choose from {', '.join(names)}")
    return [name for name in names if not wanted or name in wanted]


def _positive(variable: str, default: Number) -> Number:
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        value = type(default)(text)
    except ValueError:
        value = type(default)(0)
    if not 0 < value < float("inf"):
        kind = "whole number" if isinstance(default, int) else "number"
        raise BenchmarkError(f"{variable}={text}: must be a positive {kind}")
    return value
