"""What `iadb serve` costs beside direct calls of the model, alternating; and over many requests."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import BenchmarkError, Figure
from benchmarks.process_tree import resident_mib
from components.atomic_pusher.versions import MODEL_NOTE, complete_versions, publish

PREDICT = "/v1/models/iadb:predict"
REPEATS = int(os.environ.get("BENCHMARK_REPEATS", "60"))  # single images; a tenth of 64 each
REQUESTS = int(os.environ.get("BENCHMARK_REQUESTS", "10000"))
IMAGES = 64


def figures() -> Iterator[Figure]:
    """Yields the measured figures of the live model in ./workspace, which `make run` leaves."""
    versions = complete_versions(Path("workspace/serving"))
    if not versions:
        raise BenchmarkError("no model in workspace/serving: `make run` trains one")
    with tempfile.TemporaryDirectory() as folder, _server(versions[-1], Path(folder)) as server:
        process, started, ask = server
        ask([0])
        yield Figure("start to first image", time.monotonic() - started, "s")
        yield from _against_direct_calls(versions[-1], ask)
        yield from _memory(process.pid, ask)


@contextlib.contextmanager
def _server(
    model: Path, folder: Path
) -> Iterator[tuple[subprocess.Popen, float, Callable[[list[int]], None]]]:
    """A server, when it was started, and a function that asks it for the images of seeds."""
    publish(model, folder / "serving", {MODEL_NOTE: 1})
    command = [sys.executable, "-m", "pipeline.cli", "serve", "--port", "0"]
    started = time.monotonic()
    with subprocess.Popen(
        [*command, "--workspace", str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = re.search(r":(\d+) ", process.stdout.readline())[1]
            process.stdout.readline()  # the version is live
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=600)

            def ask(seeds: list[int]) -> None:
                connection.request("POST", PREDICT, json.dumps({"instances": seeds}))
                answer = connection.getresponse()
                content = json.loads(answer.read())
                if answer.status != 200 or len(content["predictions"]) != len(seeds):
                    raise BenchmarkError(f"the server answered {answer.status}: {content}")

            yield process, started, ask
        finally:
            process.terminate()


def _against_direct_calls(model: Path, ask: Callable[[list[int]], None]) -> Iterator[Figure]:
    import tensorflow as tf

    signature = tf.saved_model.load(str(model)).signatures["serving_default"]

    def call(seeds: list[int]) -> None:
        signature(seed=tf.constant(seeds, tf.int64))["image_bytes"].numpy()

    ways = {"served": ask, "direct call": call}
    single = _alternate(ways, 1, REPEATS)
    for name, seconds in single.items():
        yield Figure(f"one image, {name}, p50", 1000 * float(np.median(seconds)), "ms")
        yield Figure(f"one image, {name}, p95", 1000 * float(np.quantile(seconds, 0.95)), "ms")
    many = _alternate(ways, IMAGES, max(REPEATS // 10, 3))
    rates = {name: IMAGES / float(np.median(seconds)) for name, seconds in many.items()}
    for name, rate in rates.items():
        yield Figure(f"{IMAGES} images, {name}", rate, "images/s")
    share = rates["served"] / rates["direct call"]
    yield Figure("served, as a share of direct calls", share, "", ">= 0.9", share >= 0.9)


def _alternate(
    ways: dict[str, Callable[[list[int]], None]], images: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each call, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way(list(range(repeat * images, (repeat + 1) * images)))
            if repeat:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _memory(pid: int, ask: Callable[[list[int]], None]) -> Iterator[Figure]:
    warm = REQUESTS // 10
    for seed in range(warm):
        ask([seed])
    before = resident_mib(pid)
    for seed in range(warm, REQUESTS):
        ask([seed])
    yield Figure(f"memory after {warm:,} requests", before, "MiB")
    yield Figure(f"memory after {REQUESTS:,} requests", resident_mib(pid), "MiB")
