import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration.executable_spec_pb2 import PythonClassExecutableSpec

from components.features.errors import FeatureError
from components.parameters import ParameterError
from pipeline import failures
from pipeline.runners import gpu
from trainer.common import exit_codes
from trainer.common.progress import Report, listening
from trainer.labels import TooFewClassesError
from trainer.light import gpus

EXECUTORS = """
import errno
import os
import signal
import sys
import time
from importlib import import_module
from trainer.common.progress import Report, report
from tfx.dsl.components.base.base_executor import BaseExecutor

class Tells(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        assert "tfx.components" not in sys.modules  # they take seconds to import
        with open(exec_properties["path"], "w") as file:
            file.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}")
        print("  resuming from step 300 of model [gpu]")
        report(Report("training", expected=1500, done=300, unit="steps", note="loss 0.5"))
        print("no newline", end="")

class Raises(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        module, _, name = exec_properties["error"].rpartition(".")
        raise getattr(import_module(module), name)("no good")

class FillsTheDisk(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "/some/file")

class Sleeps(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        with open(exec_properties["path"] + ".pid", "w") as file:
            file.write(str(os.getpid()))
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            with open(exec_properties["path"], "w") as file:
                file.write("state saved")
            raise

class PrintsAndSleeps(Sleeps):
    def Do(self, input_dict, output_dict, exec_properties):
        print("a line")
        super().Do(input_dict, output_dict, exec_properties)

class ReportsToTheEnd(Sleeps):
    def Do(self, input_dict, output_dict, exec_properties):
        try:
            super().Do(input_dict, output_dict, exec_properties)
        finally:
            for _ in range(10_000):  # more than a pipe holds
                report(Report("saving", done=1))

class Dies(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        os.kill(os.getpid(), signal.SIGKILL)
"""


# What it passes on is serialized, since to import TFX would take it seconds.
RUN = """
import sys
from pipeline.runners import gpu

class PythonClassExecutableSpec:
    def __init__(self, serialized):
        self.serialized = serialized

    def SerializeToString(self):
        return self.serialized

class Info:
    def to_proto(self):
        return PythonClassExecutableSpec(info)

spec, info = map(bytes.fromhex, sys.argv[1:])
gpu.OwnProcessOperator(PythonClassExecutableSpec(spec), "0,1").run_executor(Info())
"""


def operation(name, folder, properties):
    """The specification of an executor, and information on its execution."""
    info = ExecutionInfo(1, {}, {}, properties, f"{folder}/output", tmp_dir=str(folder))
    return PythonClassExecutableSpec(class_path=f"some_executors.{name}"), info


def start(name, folder, **streams):
    """Starts a process that runs an executor in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    spec, info = operation(name, folder, {"path": f"{folder}/told"})
    serialized = [each.SerializeToString().hex() for each in (spec, info.to_proto())]
    command = [sys.executable, "-c", RUN, *serialized]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **streams)


@pytest.fixture
def executors(tmp_path):
    (tmp_path / "some_executors.py").write_text(EXECUTORS)
    return tmp_path


@pytest.fixture(params=["Sleeps"])
def sleeping(executors, request):
    """A process whose executor sleeps in a process of its own; gives both process ids."""
    parent = start(request.param, executors)
    pid_file = executors / "told.pid"
    deadline = time.monotonic() + 600
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        assert parent.poll() is None, parent.stderr.read()
        time.sleep(0.05)
    yield parent, int(pid_file.read_text())
    parent.kill()
    parent.communicate()


def is_alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_an_executor_does_not_outlive_a_killed_parent(sleeping):
    parent, child = sleeping
    assert is_alive(child)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 200
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


@pytest.mark.slow
@pytest.mark.parametrize("sleeping", ["Sleeps", "ReportsToTheEnd"], indirect=True)
def test_an_interrupt_of_the_parent_alone_reaches_the_executor(sleeping, executors):
    parent, child = sleeping
    parent.send_signal(signal.SIGINT)
    assert parent.wait(timeout=500) != 0
    assert not is_alive(child)
    assert (executors / "told").read_text() == "state saved"


def run(executors, monkeypatch, name, **properties):
    """Runs an executor in a process of its own."""
    monkeypatch.syspath_prepend(executors)
    spec, info = operation(name, executors, properties)
    gpu.OwnProcessOperator(spec, "0,1").run_executor(info)


def fail(executors, monkeypatch, name, **properties):
    """The error of an executor that fails in a process of its own."""
    with pytest.raises(Exception) as caught:
        run(executors, monkeypatch, name, **properties)
    return caught.value


@pytest.mark.slow
def test_an_executor_sees_the_gpus_in_a_process_of_its_own_and_what_it_says_reaches_that_of_the_run(
    executors, monkeypatch, capsys
):
    reports = []
    console = Console(force_terminal=True, width=120, color_system=None)
    with listening(reports.append), Live(console=console, transient=True):
        run(executors, monkeypatch, "Tells", path=str(executors / "told"))
    pid, visible = (executors / "told").read_text().split()
    assert int(pid) != os.getpid()
    assert visible == "0,1"
    assert reports == [Report("training", expected=1500, done=300, unit="steps", note="loss 0.5")]
    printed = capsys.readouterr().out
    assert "  resuming from step 300 of model [gpu]\n" in printed
    assert "no newline\n" in printed


@pytest.mark.slow
def test_an_executor_ends_if_what_it_prints_cannot_be_passed_on(executors):
    with open("/dev/full", "w") as full:
        parent = start("PrintsAndSleeps", executors, stdout=full)
        _, error = parent.communicate(timeout=500)  # less than the executor sleeps
    assert parent.returncode == 1
    assert "No space left on device" in error


def test_what_several_threads_print_and_a_last_line_without_an_end_arrive():
    receiver, connection = multiprocessing.Pipe(duplex=False)
    sender = gpu._Sender(connection)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [
        threading.Thread(target=lambda: [sender.write("x") for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    sender.end(gpu.RESULT, b"")
    assert [receiver.recv(), receiver.recv()] == [(gpu.LINE, "x" * 8000), (gpu.RESULT, b"")]


@pytest.mark.slow
def test_an_error_of_the_project_keeps_its_class_message_and_exit_code(executors, monkeypatch):
    name = f"{ParameterError.__module__}.{ParameterError.__qualname__}"
    error = fail(executors, monkeypatch, "Raises", error=name)
    assert type(error) is ParameterError
    assert failures.describe(error) == (ParameterError.exit_code, "no good")


def received(error):
    """The error that a process reports which has failed with this one."""
    kind = type(error)
    receiver, connection = multiprocessing.Pipe(duplex=False)
    description = kind.__module__, kind.__qualname__, *failures.describe(error)
    gpu._Sender(connection).end(gpu.FAILURE, description)
    _, content = gpu._receive(receiver)
    return gpu._rebuild(*content)


@pytest.mark.parametrize("kind", [TooFewClassesError, FeatureError])
def test_errors_of_every_package_of_the_project_keep_their_class(kind):
    error = received(kind("no good"))
    assert type(error) is kind
    assert failures.describe(error) == (kind.exit_code, "no good")


def test_an_error_of_another_class_keeps_its_message():
    error = received(ValueError("no good"))
    assert type(error) is gpu.ExecutorProcessError
    assert failures.describe(error) == (1, "ValueError: no good")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        (
            "FillsTheDisk",
            exit_codes.WORKSPACE,
            "the disk quota is used up: /some/file; free some space",
        ),
        (
            "Dies",
            1,
            "the executor was killed by SIGKILL, probably because the memory ran out: lower "
            "evaluate.batch_size or train.batch_size, end other programs, or use a machine "
            "with more memory",
        ),
    ],
)
def test_other_failures_keep_their_message_and_exit_code(
    executors, monkeypatch, name, code, message
):
    error = fail(executors, monkeypatch, name)
    assert type(error) is gpu.ExecutorProcessError
    assert failures.describe(error) == (code, message)


@pytest.mark.parametrize(
    ("devices", "visible", "for_nodes", "for_this_process"),
    [
        ([], None, None, None),
        (["nvidia0", "nvidia1", "nvidiactl"], None, "0,1", "-1"),
        (["nvidia0", "nvidia1"], "1", "1", "-1"),
        (["nvidia0"], "", None, ""),
        (["nvidia0"], "-1", None, "-1"),
    ],
)
def test_gpus_are_hidden_from_this_process_and_left_to_the_nodes(
    tmp_path, monkeypatch, devices, visible, for_nodes, for_this_process
):
    for name in devices:
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "DEVICES", str(tmp_path / "nvidia[0-9]*"))
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    assert gpu.hide() == for_nodes
    assert os.environ.get(gpus.VISIBLE) == for_this_process
