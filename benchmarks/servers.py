"""Servers of one model, each beside what asks it for images: `iadb serve`, MLServer, a direct call.

MLServer has an environment of its own (benchmarks/mlserver/). It works in one process, as
`iadb serve` does, and both get the same request of the Open Inference Protocol.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from benchmarks.measure import BenchmarkError
from components.atomic_pusher.versions import MODEL_NOTE, publish
from pipeline.serve.batching import WAIT_SECONDS

MLSERVER = Path(__file__).with_name("mlserver")
MLSERVER_PROGRAM = Path(__file__).parents[1] / ".venv-mlserver" / "bin" / "mlserver"
STARTING = 120.0  # seconds until MLServer has to be ready
CONNECTIONS = 64  # that a client keeps open

Ask = Callable[[list[int]], None]


@contextlib.contextmanager
def iadb_serve(model: Path, folder: Path) -> Iterator[tuple[subprocess.Popen, Ask]]:
    """The server, and a function that asks it for the images of seeds."""
    publish(model, folder / "serving", {MODEL_NOTE: 1})
    command = [sys.executable, "-m", "pipeline.cli", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--workspace", str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = re.search(r":(\d+) ", process.stdout.readline())
            if not port or not process.stdout.readline():  # the version is live
                raise BenchmarkError(f"iadb serve ended with code {process.wait()}")
            with _client(int(port[1])) as ask:
                yield process, ask
        finally:
            process.terminate()


@contextlib.contextmanager
def mlserver(model: Path, folder: Path) -> Iterator[tuple[subprocess.Popen, Ask]]:
    """MLServer, and a function that asks it for the images of seeds.

    Raises:
        BenchmarkError: it is not installed, or does not become ready.
    """
    if not MLSERVER_PROGRAM.exists():
        raise BenchmarkError(f"{MLSERVER_PROGRAM} is missing: `make bench` creates it")
    port, grpc_port, metrics_port = _free_ports(3)
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "parallel_workers": 0,  # without a process between the request and the model
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    runtime = {
        "name": "iadb",
        "implementation": "sampler.Sampler",
        "parameters": {"uri": str(model.resolve())},
        "max_batch_size": 64,  # requests share calls, as those of ours do
        "max_batch_time": WAIT_SECONDS,
    }
    (folder / "model-settings.json").write_text(json.dumps(runtime))
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [MLSERVER_PROGRAM, "start", folder],
            env={**os.environ, "PYTHONPATH": str(MLSERVER), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _wait_until_ready(port, process, folder / "log")
            with _client(port) as ask:
                yield process, ask
        finally:
            process.terminate()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


def _wait_until_ready(port: int, process: subprocess.Popen, log: Path) -> None:
    last = time.monotonic() + STARTING
    while time.monotonic() < last and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"http://127.0.0.1:{port}/v2/models/iadb/ready", timeout=10).ok:
                return
        time.sleep(0.1)
    raise BenchmarkError(f"MLServer is not ready after {STARTING:.0f} s: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def _client(port: int) -> Iterator[Ask]:
    url = f"http://127.0.0.1:{port}/v2/models/iadb/infer"
    with requests.Session() as session:  # replaces a connection that the server has closed as idle
        session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))

        def ask(seeds: list[int]) -> None:
            seed = {"name": "seed", "shape": [len(seeds)], "datatype": "INT64", "data": seeds}
            answer = session.post(url, json={"inputs": [seed]}, timeout=600)
            if not answer.ok or len(answer.json()["outputs"][0]["data"]) != len(seeds):
                raise BenchmarkError(f"the server answered {answer.status_code}: {answer.text}")

        yield ask


def direct_call(model: Path) -> Ask:
    """A function that calls `serving_default` in this process."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(model)).signatures["serving_default"]

    def call(seeds: list[int]) -> None:
        signature(seed=tf.constant(seeds, tf.int64))["image_bytes"].numpy()

    return call
