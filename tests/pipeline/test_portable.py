"""Every Beam component through Beam's portable protocol, with workers in processes of their own.

This is what Flink and Spark speak: a job service takes the pipeline, and starts each worker
through an external worker pool.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow_data_validation as tfdv

from tests.pipeline.conftest import Runs, states


def free_port():
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("localhost", port)) == 0:
                return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")


@pytest.fixture(scope="module")
def beam_options(tmp_path_factory):
    """Starts a job service and a worker pool; gives the options that lead to them."""
    folder = tmp_path_factory.mktemp("beam")
    bin_folder = Path(sys.executable).parent
    # Workers are started as `python`.
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    job_port, pool_port = free_port(), free_port()
    modules = {
        job_port: ("portability.local_job_service_main", "-p", job_port),
        pool_port: ("worker.worker_pool_main", "--service_port", pool_port),
    }
    processes = []
    for port, (module, *arguments) in modules.items():
        with (folder / f"{module}.log").open("w") as log:
            command = [sys.executable, "-m", f"apache_beam.runners.{module}", *map(str, arguments)]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        processes.append(process)
        wait_for(port, process)
    yield [
        "--runner=PortableRunner",
        f"--job_endpoint=localhost:{job_port}",
        f"--artifact_endpoint=localhost:{job_port}",
        "--environment_type=EXTERNAL",
        f"--environment_config=localhost:{pool_port}",
    ]
    for process in processes:
        process.terminate()
        process.wait()


def statistics(run, split):
    folder = Path(run.artifacts["StatisticsGen", "statistics"].uri)
    (dataset,) = tfdv.load_stats_binary(str(folder / f"Split-{split}/FeatureStats.pb")).datasets
    found = {"num_examples": dataset.num_examples}
    for feature in dataset.features:
        number = feature.num_stats
        found[feature.path.step[0]] = (number.mean, number.std_dev, number.min, number.max)
    return found


@pytest.mark.slow
def test_external_workers_find_the_same_examples_statistics_and_metrics(
    trained, tmp_path, digits_folder, beam_options
):
    runs = Runs(tmp_path, digits_folder, unet=True)
    run = runs.run(f"beam.options={beam_options}")
    assert set(states(run).values()) == {"done"}
    for one, other in zip(example_files(trained.first), example_files(run), strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
    for split in ("train", "eval"):
        expected = statistics(trained.first, split)
        found = statistics(run, split)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, rel=1e-9), name
    for name, values in trained.first.metrics["metrics"].items():
        found = run.metrics["metrics"][name]
        assert found["unavailable"] == values["unavailable"]
        for model in ("candidate", "train", "noise"):
            expected = values[model]
            assert found[model] == (expected and pytest.approx(expected, rel=1e-6)), name


def example_files(run):
    return sorted(run.rejected_report.parent.glob("Split-*/*.gz"))
