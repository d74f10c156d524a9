import os

import pytest
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration.executable_spec_pb2 import PythonClassExecutableSpec

from pipeline.runners import gpu

EXECUTORS = """
import os
import signal
from tfx.dsl.components.base.base_executor import BaseExecutor

class Tells(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        with open(exec_properties["path"], "w") as file:
            file.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}")

class Raises(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        raise ValueError("no good")

class Dies(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "some_executors.py").write_text(EXECUTORS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(name):
        spec = PythonClassExecutableSpec(class_path=f"some_executors.{name}")
        info = ExecutionInfo(
            execution_id=1,
            input_dict={},
            output_dict={},
            exec_properties={"path": str(tmp_path / "told")},
            execution_output_uri=str(tmp_path / "output"),
            tmp_dir=str(tmp_path),
        )
        gpu.OwnProcessOperator(spec, "0,1").run_executor(info)
        return (tmp_path / "told").read_text().split()

    return run


def test_an_executor_sees_the_gpus_in_a_process_of_its_own(run):
    pid, visible = run("Tells")
    assert int(pid) != os.getpid()
    assert visible == "0,1"


def test_what_an_executor_raises_is_told(run):
    with pytest.raises(gpu.ExecutorProcessError, match="ValueError: no good"):
        run("Raises")


def test_an_executor_that_is_killed_is_told(run):
    with pytest.raises(gpu.ExecutorProcessError, match="ended with -9"):
        run("Dies")


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
    monkeypatch.setattr(gpu, "DEVICES", str(tmp_path / "nvidia[0-9]*"))
    monkeypatch.delenv(gpu.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(gpu.VISIBLE, visible)
    assert gpu.hide() == for_nodes
    assert os.environ.get(gpu.VISIBLE) == for_this_process
