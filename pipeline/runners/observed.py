"""Reports the progress of a TFX pipeline to an observer: TFX's own runners only log it.

LocalDagRunner and BeamDagRunner construct `launcher.Launcher` for each node and accept no other
class. During a run, that attribute of the module is therefore a subclass that reports.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Protocol

from tfx.dsl.io import fileio
from tfx.orchestration.portable import launcher
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration.execution_result_pb2 import ExecutorOutput
from tfx.types import Artifact

from trainer.common.files import sync_tree
from trainer.common.signals import raise_lost_stop, raise_stop


class NodeError(RuntimeError):
    """A node whose inputs TFX could not resolve; the log has the reason."""


class Observer(Protocol):
    """Receives the progress of a run."""

    def started(self, node_id: str, run_id: str) -> None:
        """A node of a pipeline run is about to run; the ids are TFX's."""

    def finished(self, node_id: str, seconds: float, *, cached: bool) -> None:
        """A node has succeeded; `cached` if its outputs came from TFX's cache."""

    def skipped(self, node_id: str) -> None:
        """A node was not run, since its condition is false."""

    def failed(self, node_id: str, seconds: float, error: BaseException) -> None:
        """A node has failed, or was interrupted."""


def clear(outputs: Mapping[str, Sequence[Artifact]]) -> None:
    """Removes what lies where a node is about to write.

    It was left by an earlier attempt of a pod, or by a run that is missing in the metadata since
    these were restored from a backup: its number comes again.
    """
    for artifacts in outputs.values():
        for artifact in artifacts:
            if not artifact.is_external and fileio.isdir(artifact.uri):
                fileio.rmtree(artifact.uri)


def _sync(outputs: Mapping[str, Sequence[Artifact]]) -> None:
    """Waits until the files of a node are on disk, as the record that it is done will be.

    After a power cut, the cache would take empty files for its results.
    """
    folders = [Path(artifact.uri) for artifacts in outputs.values() for artifact in artifacts]
    for folder in filter(Path.exists, folders):  # a URI of a bucket is no path
        sync_tree(folder)


@contextmanager
def observed(observer: Observer, options: Sequence[str] = ()) -> Iterator[None]:
    """Reports every node that a TFX runner launches inside to the observer.

    TFX parses the command line for options of its own and would take our `-v` for one of them.

    Args:
        observer: receives the progress.
        options: the command line for TFX.
    """

    class ObservedLauncher(launcher.Launcher):
        def _run_executor(self, execution_info: ExecutionInfo) -> ExecutorOutput:
            try:
                clear(execution_info.output_dict)
                output = super()._run_executor(execution_info)
                _sync(execution_info.output_dict)
                return output
            except Exception as error:
                raise_stop(error)  # a node that is interrupted has not failed
                raise

        def launch(self) -> ExecutionInfo | None:
            raise_lost_stop()
            node_id = self._pipeline_node.node_info.id
            started = time.monotonic()
            observer.started(
                node_id, self._pipeline_runtime_spec.pipeline_run_id.field_value.string_value
            )
            try:
                info = super().launch()
                if self._system_node_handler is None and info.execution_id is None:
                    _log(node_id, "skipped", time.monotonic() - started)
                    observer.skipped(node_id)
                    return info
                if self._system_node_handler is None and not info.output_dict:
                    # TFX logs an unresolved input and skips the node.
                    raise NodeError(f"{node_id}: its inputs could not be resolved")
            except BaseException as error:
                seconds = time.monotonic() - started
                _log(node_id, "failed", seconds)
                observer.failed(node_id, seconds, error)
                raise
            seconds = time.monotonic() - started
            # Only an executed node has a folder for its output.
            cached = self._system_node_handler is None and not info.execution_output_uri
            _log(node_id, "cached" if cached else "done", seconds)
            observer.finished(node_id, seconds, cached=cached)
            return info

    with (
        _replaced(launcher, "Launcher", ObservedLauncher),
        _replaced(sys, "argv", [sys.argv[0], *options]),
    ):
        yield


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Sets an attribute of a module and restores it at the end."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _log(node_id: str, state: str, seconds: float) -> None:
    event = {"node": node_id, "state": state, "seconds": round(seconds, 3)}
    logging.info("%s: %s after %.1f s", node_id, state, seconds, extra={"event": event})
