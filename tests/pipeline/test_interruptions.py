"""Runs that are stopped: by Ctrl-C, by kill -9, by a full disk, by another run. Nothing is lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner
from tfx.orchestration.portable import launcher

from pipeline import failures
from pipeline.cli import main
from pipeline.drawing import draw_samples
from pipeline.registry import serving
from pipeline.registry.lineage import connect, runs
from pipeline.registry.names import Outcome
from pipeline.registry.outcome import read_result
from pipeline.workspace import WorkspaceError
from tests.pipeline.conftest import NODES, RESOLVERS, TINY, Runs, states
from tests.pipeline.stand_ins import quick_evaluation, quick_training
from tests.quick_iadb import QUICK_IADB
from tests.small_disk import needs_mount, on_disk
from trainer.common import exit_codes
from trainer.common.signals import raise_lost_stop

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def iadb(*args, command=COMMAND, **kwargs):
    """Starts `iadb` in a process of its own, which a test may kill."""
    return subprocess.Popen(
        [*command, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def invoke(*args):
    """Runs `iadb` in this process."""
    return CliRunner().invoke(main, list(map(str, args)))


def run_arguments(workspace, data, *overrides):
    settings = [f"--set={override}" for override in (*TINY, *overrides)]
    return ["run", "--preset", "digits", "--workspace", workspace, "--data", data, *settings]


def wait_for_checkpoint(workspace, process, beyond=0):
    """Waits until a checkpoint of a later step is complete; returns its step."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        for index in (workspace / "checkpoints").glob("*/ckpt-*.index"):
            step = int(index.stem.rpartition("-")[2])
            if step > beyond:
                return step
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no checkpoint within ten minutes")


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(
    trained, tmp_path, digits_folder
):
    overrides = [
        *("train.steps=1000", "train.batch_size=8", "train.grid_every=1000"),
        "train.checkpoint.every_images=400",
    ]
    trained.copy(tmp_path / "killed")  # which has read the images
    step = 0
    for each in (signal.SIGINT, signal.SIGKILL):
        arguments = run_arguments(tmp_path / "killed", digits_folder, *overrides)
        process = iadb(*arguments, command=QUICK_IADB)
        step = wait_for_checkpoint(tmp_path / "killed", process, beyond=step)
        process.send_signal(each)
        output, error = process.communicate(timeout=600)
        if each == signal.SIGINT:
            assert process.returncode == exit_codes.INTERRUPTED, error
            assert "interrupted; the next run resumes from here" in error
            assert "Traceback" not in output + error

    # The checkpoints are those of another workspace.
    without = shutil.ignore_patterns("checkpoints")
    shutil.copytree(tmp_path / "killed", tmp_path / "straight", ignore=without)
    with quick_evaluation(trained.first.evaluation):
        for name in ("killed", "straight"):
            Runs(tmp_path / name, digits_folder).run(*overrides)
    assert metadata(tmp_path / "killed")["metrics"]["resumed_from_step"] >= step
    assert metadata(tmp_path / "straight")["metrics"]["resumed_from_step"] == 0
    assert weights(tmp_path / "killed") == weights(tmp_path / "straight")


@pytest.mark.slow
def test_a_run_that_is_terminated_leaves_its_result(tmp_path, digits_folder):
    file = tmp_path / "result.json"
    process = iadb(*run_arguments(tmp_path / "workspace", digits_folder), "--result", file)
    for line in process.stdout:
        if line.startswith("✓ SchemaImporter"):
            process.terminate()
    _, error = process.communicate(timeout=600)
    assert process.returncode == exit_codes.TERMINATED
    assert error.splitlines()[-1] == "iadb: terminated; the next run resumes from here"
    result = read_result(file)
    assert (result.outcome, result.exit_code) == (Outcome.INTERRUPTED, exit_codes.TERMINATED)
    [run] = runs(connect(tmp_path / "workspace" / "metadata.sqlite"))
    assert (result.runs, result.images) == ((run.id,), 1797)


def metadata(workspace):
    return serving.read_metadata(serving.latest_model(workspace / "serving"))


def weights(workspace):
    (run,) = runs(connect(workspace / "metadata.sqlite"), last=1)
    images = draw_samples(serving.read_model(run.pushed), range(8), 4)
    return images.tolist()


EXECUTED = [node for node in NODES if node not in RESOLVERS]  # resolvers run no executor
QUICK = {"SchemaImporter", "ExampleValidator", "DataGate", "Pusher"}  # done before a timer fires


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param(["StatisticsGen"], id="StatisticsGen"),  # Beam wraps the interrupt
        pytest.param(EXECUTED, id="every component", marks=pytest.mark.slow),
    ],
)
def test_after_ctrl_c_in_any_component_the_next_run_goes_on(
    trained, tmp_path, digits_folder, monkeypatch, nodes
):
    runs = Runs(tmp_path / "workspace", digits_folder)
    run_executor = launcher.Launcher._run_executor
    for node_id in nodes:

        def interrupted(self, info, node_id=node_id):
            if info.pipeline_node.node_info.id != node_id:
                return run_executor(self, info)
            timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
            if node_id not in QUICK:
                timer.start()
            output = run_executor(self, info)
            timer.cancel()
            raise_lost_stop()  # within half a second, another signal would be the same one
            signal.raise_signal(signal.SIGINT)  # done, and not yet published
            return output

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(launcher.Launcher, "_run_executor", interrupted)
            runs.run()
        *before, stopped = runs.last().nodes
        assert (stopped.id, stopped.state) == (node_id, "interrupted")
        assert {node.state for node in before} <= {"done", "cached"}
    with quick_training(trained.first), quick_evaluation(trained.first.evaluation):
        run = runs.run()
    assert set(states(run).values()) <= {"done", "cached"}
    assert run.pushed is not None


def test_a_second_run_on_one_workspace_says_who_holds_it_and_stops(tmp_path, digits_folder):
    runs = Runs(tmp_path, digits_folder)
    with runs.workspace.locked(), pytest.raises(WorkspaceError) as error:
        runs.run()
    assert f"in use by process {os.getpid()} on " in str(error.value)
    assert failures.describe(error.value)[0] == exit_codes.WORKSPACE


@needs_mount
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param("size=40k", "kB are free on its disk", marks=pytest.mark.slow),
        ("ro", "Read-only file system"),
    ],
)
def test_a_full_or_read_only_disk_ends_the_run_with_one_line_and_code_4(
    tmp_path, digits_folder, options, reason
):
    disk = tmp_path / "disk"
    command = [*COMMAND, *run_arguments(disk, digits_folder)]
    result = subprocess.run(on_disk(disk, options, command), capture_output=True, text=True)
    assert result.returncode == exit_codes.WORKSPACE, result.stdout + result.stderr
    assert reason in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_missing_folder_ends_the_run_with_one_line_and_code_3(tmp_path):
    result = invoke(*run_arguments(tmp_path / "workspace", tmp_path / "missing"))
    assert result.exit_code == exit_codes.DATA
    assert str(tmp_path / "missing") in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_anomalies_in_the_data_end_the_run_with_one_line_and_code_3(tmp_path, digits_folder):
    folder = tmp_path / "images"
    folder.mkdir()
    few = sorted(digits_folder.glob("*/*.png"))[:8]
    for number in range(100):
        (folder / f"{number}.png").write_bytes(few[number % 8].read_bytes())
    result = invoke(*run_arguments(tmp_path / "workspace", folder))
    assert result.exit_code == exit_codes.DATA, result.output
    assert "anomalies in the data: sha256" in result.stderr
    assert "DataGate" in result.stdout.splitlines()[-1]
    assert len(result.stderr.strip().splitlines()) == 1


def test_too_many_rejected_files_end_the_run_and_are_named(tmp_path, digits_folder):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, path in enumerate(sorted(digits_folder.glob("*/*.png"))[:60]):
        (folder / f"{number}.png").write_bytes(path.read_bytes() if number % 2 else b"no image")
    result = invoke(*run_arguments(tmp_path / "workspace", folder))
    assert result.exit_code == exit_codes.DATA
    assert "0.png" in result.stderr
