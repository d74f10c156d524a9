"""What `iadb serve` costs beside MLServer and direct calls, alternating; and over many requests."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.measure import BenchmarkError, Figure
from benchmarks.process_tree import resident_mib
from benchmarks.servers import Ask, direct_call, iadb_serve, mlserver
from components.atomic_pusher.versions import complete_versions

REPEATS = int(os.environ.get("BENCHMARK_REPEATS", "60"))  # single images; a tenth of 64 each
REQUESTS = int(os.environ.get("BENCHMARK_REQUESTS", "10000"))
IMAGES = 64
CLIENTS = 16


def figures() -> Iterator[Figure]:
    """Yields the measured figures of the live model in ./workspace, which `make run` leaves."""
    versions = complete_versions(Path("workspace/serving"))
    if not versions:
        raise BenchmarkError("no model in workspace/serving: `make run` trains one")
    model = versions[-1]
    with contextlib.ExitStack() as stack:
        servers, asks = {}, {}
        for name, start in {"iadb serve": iadb_serve, "MLServer": mlserver}.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            started = time.monotonic()
            servers[name], asks[name] = stack.enter_context(start(model, folder))
            asks[name]([0])
            yield Figure(f"start to first image, {name}", time.monotonic() - started, "s")
        yield from _alternating(asks, direct_call(model))
        yield from _memory(servers["iadb serve"].pid, asks["iadb serve"])


def _alternating(servers: dict[str, Ask], direct: Ask) -> Iterator[Figure]:
    ways = {**servers, "direct call": direct}
    single = _alternate(ways, 1, REPEATS)
    for name, seconds in single.items():
        yield Figure(f"one image, {name}, p50", 1000 * float(np.median(seconds)), "ms")
        yield Figure(f"one image, {name}, p95", 1000 * float(np.quantile(seconds, 0.95)), "ms")
    many = _alternate(ways, IMAGES, max(REPEATS // 10, 3))
    rates = {name: IMAGES / float(np.median(seconds)) for name, seconds in many.items()}
    for name, rate in rates.items():
        yield Figure(f"{IMAGES} images, {name}", rate, "images/s")
    share = rates["iadb serve"] / rates["direct call"]
    yield Figure("served, as a share of direct calls", share, "", ">= 0.9", share >= 0.9)
    crowds = {name: _crowd(ask) for name, ask in servers.items()}
    for name, seconds in _alternate(crowds, CLIENTS, max(REPEATS // 10, 3)).items():
        rate = CLIENTS / float(np.median(seconds))
        yield Figure(f"{CLIENTS} clients with an image each, {name}", rate, "images/s")


def _crowd(ask: Ask) -> Ask:
    """Asks for each seed in a request of its own, all at once."""

    def ask_at_once(seeds: list[int]) -> None:
        with ThreadPoolExecutor(len(seeds)) as clients:
            list(clients.map(lambda seed: ask([seed]), seeds))

    return ask_at_once


def _alternate(ways: dict[str, Ask], images: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way(list(range(repeat * images, (repeat + 1) * images)))
            if repeat:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _memory(pid: int, ask: Ask) -> Iterator[Figure]:
    warm = REQUESTS // 10
    for seed in range(warm):
        ask([seed])
    before = resident_mib(pid)
    for seed in range(warm, REQUESTS):
        ask([seed])
    yield Figure(f"memory after {warm:,} requests", before, "MiB")
    yield Figure(f"memory after {REQUESTS:,} requests", resident_mib(pid), "MiB")
