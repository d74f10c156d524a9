"""What `iadb serve` costs beside direct calls, alternating; and over many requests."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import requests
from requests.adapters import HTTPAdapter

from benchmarks.measure import BenchmarkError, Figure
from benchmarks.process_tree import resident_mib
from components.atomic_pusher.versions import MODEL_NOTE, complete_versions, publish

REPEATS = int(os.environ.get("BENCHMARK_REPEATS", "60"))  # single images; a tenth of 64 each
REQUESTS = int(os.environ.get("BENCHMARK_REQUESTS", "10000"))
IMAGES = 64
CLIENTS = 16

Ask = Callable[[list[int]], None]


def figures() -> Iterator[Figure]:
    """Yields the measured figures of the live model in ./workspace, which `make run` leaves."""
    versions = complete_versions(Path("workspace/serving"))
    if not versions:
        raise BenchmarkError("no model in workspace/serving: `make run` trains one")
    model = versions[-1]
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        with _iadb_serve(model, Path(folder)) as (pid, ask):
            ask([0])
            yield Figure("start to first image", time.monotonic() - started, "s")
            yield from _alternating({"iadb serve": ask, "direct call": _direct_call(model)})
            yield from _memory(pid, ask)


@contextlib.contextmanager
def _iadb_serve(model: Path, folder: Path) -> Iterator[tuple[int, Ask]]:
    """The process of the server, and a function that asks it for the images of seeds."""
    publish(model, folder / "serving", {MODEL_NOTE: 1})
    command = [sys.executable, "-m", "pipeline.cli", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--workspace", str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = re.search(r":(\d+) ", process.stdout.readline())
            if not port or not process.stdout.readline():  # the version is live
                raise BenchmarkError(f"iadb serve ended with code {process.wait()}")
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(pool_maxsize=CLIENTS))
                yield process.pid, _client(session, int(port[1]))
        finally:
            process.terminate()


def _client(session: requests.Session, port: int) -> Ask:
    def ask(seeds: list[int]) -> None:
        url = f"http://127.0.0.1:{port}/v1/models/iadb:predict"
        answer = session.post(url, json={"instances": seeds}, timeout=600)
        if not answer.ok or len(answer.json()["predictions"]) != len(seeds):
            raise BenchmarkError(f"the server answered {answer.status_code}: {answer.text}")

    return ask


def _direct_call(model: Path) -> Ask:
    """A function that calls `serving_default` in this process."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(model)).signatures["serving_default"]

    def call(seeds: list[int]) -> None:
        signature(seed=tf.constant(seeds, tf.int64))["image_bytes"].numpy()

    return call


def _alternating(ways: dict[str, Ask]) -> Iterator[Figure]:
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
    crowd = {"iadb serve": _crowd(ways["iadb serve"])}
    (seconds,) = _alternate(crowd, CLIENTS, max(REPEATS // 10, 3)).values()
    rate = CLIENTS / float(np.median(seconds))
    yield Figure(f"{CLIENTS} clients with an image each", rate, "images/s")


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
