"""What the environment changes in the long benchmarks: BENCHMARK_SECONDS, _SEEDS, _TASKS, _SIZES,
_PRECISIONS.

A shortened run tries the benchmark; its figures are not those of a whole run, so it says so and
leaves out the bars. Sizes are numbers of images, more or fewer than by default; they and precisions
keep the bars.
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


def chosen(names: Collection[str], variable: str = "BENCHMARK_TASKS") -> list[str]:
    """Those of `names` that the variable lists, separated by commas; without it, all.

    Raises:
        BenchmarkError: it lists another name.
    """
    wanted = [name for name in os.environ.get(variable, "").split(",") if name]
    for name in wanted:
        if name not in names:
            raise BenchmarkError(f"{variable}={name}: choose from {', '.join(names)}")
    return [name for name in names if not wanted or name in wanted]


def sizes(default: Collection[int]) -> list[int]:
    """Numbers of images, ascending: BENCHMARK_SIZES, separated by commas, or the benchmark's own.

    Raises:
        BenchmarkError: one of them is not a positive number.
    """
    texts = [text for text in os.environ.get("BENCHMARK_SIZES", "").split(",") if text]
    return sorted({_parse("BENCHMARK_SIZES", text, int) for text in texts} or default)


def _positive(variable: str, default: Number) -> Number:
    text = os.environ.get(variable)
    return _parse(variable, text, type(default)) if text else default


def _parse(variable: str, text: str, number: type[Number]) -> Number:
    try:
        value = number(text)
    except ValueError:
        value = number(0)
    if not 0 < value < float("inf"):
        kind = "whole number" if number is int else "number"
        raise BenchmarkError(f"{variable}={text}: must be a positive {kind}")
    return value
