"""Reserves the GPUs for the nodes that compute on them.

A process that has started TensorFlow can neither hide a GPU nor release it. On a machine with GPUs,
the process of a run therefore hides them from itself, and the executors of GPU_NODES run in
processes of their own, one at a time, which see them. What they print and report of their progress
is passed on to the process of the run, as (kind, content): the first one with RESULT or FAILURE is
the last.
"""

import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from google.protobuf import message

from components.garbage import without_garbage_collection
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline import failures
from pipeline.parent_death import die_with_parent
from trainer.common import exit_codes
from trainer.common.progress import listening, report
from trainer.common.signals import stop_on_signals
from trainer.light import gpus

GPU_NODES = {
    feature_names.NODE,
    trainer_names.NODE,
    evaluator_names.NODE,
    trainer_names.STUDENT,
    evaluator_names.STUDENT_NODE,
}
SAFE_PATH = "PYTHONSAFEPATH"
REPORT, LINE, RESULT, FAILURE = range(4)
MISSING_LIBRARIES = (
    "TensorFlow finds no CUDA libraries, the GPU stays idle: in the folder of the project, run "
    ".venv/bin/uv pip install --no-deps -r kubeflow/requirements-gpu.lock"
)
PROJECT = {"components", "data", "pipeline", "trainer"}  # packages whose errors keep their class
# By the kind of specification. The launcher has them too, and takes seconds to import: it needs all
# components of TFX.
OPERATORS = {
    "PythonClassExecutableSpec": "python_executor_operator.PythonExecutorOperator",
    "BeamExecutableSpec": "beam_executor_operator.BeamExecutorOperator",
}


class ExecutorProcessError(RuntimeError):
    """An executor failed in its own process; has the message and exit code of what it raised."""

    def __init__(self, message: str, exit_code: int = exit_codes.UNEXPECTED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def hide() -> str | None:
    """Hides the GPUs from this process; to be called before TensorFlow starts.

    Returns:
        CUDA_VISIBLE_DEVICES for GPU_NODES, or None if there is no GPU.
    """
    visible = gpus.find()
    if visible is not None:
        os.environ[gpus.VISIBLE] = gpus.HIDDEN
    return visible


class OwnProcessOperator:
    """Runs the executor of a node in a new process that sees the GPUs.

    Replaces the executor operator of TFX's launcher.

    Args:
        executor_spec: TFX's specification of the executor.
        visible: CUDA_VISIBLE_DEVICES of the process.
    """

    def __init__(self, executor_spec: message.Message, visible: str) -> None:
        self._executor_spec = executor_spec
        self._visible = visible

    def with_execution_watcher(self, address: str) -> None:
        """Does nothing: the executors of this project do not report to the watcher."""

    def run_executor(self, execution_info: object) -> message.Message:
        """Runs the executor.

        Returns:
            TFX's ExecutorOutput.

        Raises:
            Exception: an error of this project that the executor raised.
            ExecutorProcessError: it raised another error, or its process died.
        """
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_run,
            args=(
                os.getpid(),
                self._visible,
                type(self._executor_spec).__name__,
                self._executor_spec.SerializeToString(),
                execution_info.to_proto().SerializeToString(),
                sender,
            ),
        )
        with _without_working_directory():
            process.start()
        sender.close()
        try:
            with stop_on_signals():
                kind, content = _receive(receiver)
        except EOFError:
            process.join()
            raise ExecutorProcessError(_ending(process.exitcode, execution_info)) from None
        except BaseException as error:  # also if what it printed cannot be passed on
            interrupted = isinstance(error, KeyboardInterrupt)
            os.kill(process.pid, signal.SIGINT if interrupted else signal.SIGTERM)
            receiver.close()  # or it would wait for someone to read
            process.join()  # it saves its state
            raise
        process.join()
        if kind == FAILURE:
            raise _rebuild(*content)
        from tfx.proto.orchestration.execution_result_pb2 import ExecutorOutput

        return ExecutorOutput.FromString(content)


def _ending(exit_code: int, execution_info: Any) -> str:
    """Describes how the process of an executor died."""
    if exit_code == -signal.SIGKILL:
        node = execution_info.pipeline_node
        return f"the executor was {failures.describe_kill(node and node.node_info.id)}"
    if exit_code < 0:  # of a library: cuDNN and the driver abort
        name = signal.strsignal(-exit_code) or f"signal {-exit_code}"
        return f"the executor's process ended ({name}); what led to it is at the end of the log"
    return f"the executor's process ended with {exit_code}"


def _receive(receiver: Connection) -> tuple[int, Any]:
    """Passes on what the executor reports and prints; returns its result or failure."""
    while True:
        kind, content = receiver.recv()
        if kind == REPORT:
            report(content)
        elif kind == LINE:
            print(content, flush=True)
        else:
            return kind, content


class _Sender(io.TextIOBase):
    """Sends the lines that are written to it, and other messages, while someone reads."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._lock = threading.RLock()
        self._begun = ""  # of the next line

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self.send(LINE, line)
        return len(text)

    def end(self, kind: int, content: object) -> None:
        """Sends the last message, after the line that was begun."""
        with self._lock:
            if self._begun:
                self.write("\n")
            self.send(kind, content)

    def send(self, kind: int, content: object) -> None:
        with self._lock, suppress(BrokenPipeError):
            self._connection.send((kind, content))


def _rebuild(module: str, name: str, exit_code: int, message: str) -> Exception:
    """Makes an error from its description: errors themselves are not unpickled."""
    if module.partition(".")[0] in PROJECT:
        kind = getattr(import_module(module), name, None)
        if isinstance(kind, type) and issubclass(kind, Exception) and hasattr(kind, "exit_code"):
            return kind(message)
    return ExecutorProcessError(message, exit_code)


def _run(
    parent: int, visible: str, spec_type: str, spec: bytes, info: bytes, connection: Connection
) -> None:
    os.setpgrp()  # Ctrl-C reaches it once, through its parent
    die_with_parent(parent)
    sys.stdout = sender = _Sender(connection)
    os.environ[gpus.VISIBLE] = visible
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    with without_garbage_collection():
        import tensorflow as tf
        from absl import logging
        from tfx.orchestration.portable import data_types
        from tfx.proto.orchestration import executable_spec_pb2
        from tfx.proto.orchestration.execution_invocation_pb2 import ExecutionInvocation
        from tfx.types import standard_artifacts  # noqa: F401  those that the executor is given

    logging.set_verbosity(logging.INFO)
    if not tf.config.list_physical_devices("GPU"):
        print(f"  {MISSING_LIBRARIES}")
    try:
        executor_spec = getattr(executable_spec_pb2, spec_type).FromString(spec)
        with without_garbage_collection():  # it imports the executor
            module, _, name = OPERATORS[spec_type].rpartition(".")
            operator_class = getattr(import_module(f"tfx.orchestration.portable.{module}"), name)
            operator = operator_class(executor_spec)
        execution_info = data_types.ExecutionInfo.from_proto(ExecutionInvocation.FromString(info))
        with listening(lambda change: sender.send(REPORT, change)):
            output = operator.run_executor(execution_info)
    except Exception as error:
        logging.exception("The executor failed.")
        kind = type(error)
        sender.end(FAILURE, (kind.__module__, kind.__qualname__, *failures.describe(error)))
    else:
        sender.end(RESULT, output.SerializeToString())


@contextmanager
def _without_working_directory() -> Iterator[None]:
    """Keeps processes that start inside from importing modules of the working directory."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before
