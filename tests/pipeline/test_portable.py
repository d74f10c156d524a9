"""Every Beam component through Beam's portable protocol, with workers in another process.

This is what Flink and Spark speak: a job service takes the pipeline, and starts each worker
through an external worker pool.
"""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow_data_validation as tfdv

from tests.pipeline.conftest import Runs, states
from tests.ports import reserved_port

# Workers are threads of the pool, whose process imports TensorFlow and TFX once.
POOL = """
import sys
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
_, server = BeamFnExternalWorkerPoolServicer.start(port=int(sys.argv[1]))
server.wait_for_termination()
"""
JOB_SERVICE = "apache_beam.runners.portability.local_job_service_main"
PATIENCE = 600  # seconds for both to start


def wait_for(port, process, end):
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None
        assert time.monotonic() < end, f"nothing listens on port {port}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def beam_options(tmp_path_factory):
    """Starts a job service and a worker pool; gives the options that lead to them."""
    folder = tmp_path_factory.mktemp("beam")
    with contextlib.ExitStack() as held:
        job_port, pool_port = (held.enter_context(reserved_port()) for _ in range(2))
        commands = {job_port: ("-m", JOB_SERVICE, "-p"), pool_port: ("-c", POOL)}
        processes = []
        for port, arguments in commands.items():
            with (folder / f"{port}.log").open("w") as log:
                command = [sys.executable, *arguments, str(port)]
                process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
            held.callback(process.wait)
            held.callback(process.terminate)
            processes.append(process)
        end = time.monotonic() + PATIENCE
        for port, process in zip(commands, processes, strict=True):
            wait_for(port, process, end)
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=127.0.0.1:{job_port}",
            f"--artifact_endpoint=127.0.0.1:{job_port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=127.0.0.1:{pool_port}",
        ]


def statistics(run, split):
    folder = Path(run.artifacts["StatisticsGen", "statistics"].uri)
    (dataset,) = tfdv.load_stats_binary(str(folder / f"Split-{split}/FeatureStats.pb")).datasets
    found = {"num_examples": dataset.num_examples}
    for feature in dataset.features:
        number = feature.num_stats
        found[feature.path.step[0]] = (number.mean, number.std_dev, number.min, number.max)
    return found


@pytest.mark.slow
def test_workers_of_another_process_find_the_same_examples_statistics_and_metrics(
    trained, tmp_path, digits_folder, beam_options
):
    runs, local = Runs(tmp_path, digits_folder), trained.first
    run = runs.run(f"beam.options={beam_options}")
    assert set(states(run).values()) == {"done"}
    for one, other in zip(example_files(local), example_files(run), strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
    for split in ("train", "eval"):
        expected = statistics(local, split)
        found = statistics(run, split)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, rel=1e-9), name
    for name, values in local.metrics["metrics"].items():
        found = run.metrics["metrics"][name]
        assert found["unavailable"] == values["unavailable"]
        for model in ("candidate", "train", "noise"):
            expected = values[model]
            assert found[model] == (expected and pytest.approx(expected, rel=1e-6)), name


def example_files(run):
    return sorted(run.rejected_report.parent.glob("Split-*/*.gz"))
