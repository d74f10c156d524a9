import contextlib
import signal
import sys
import tempfile
from types import SimpleNamespace

import pytest
from absl import flags
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.orchestration.portable import launcher
from tfx.types import standard_artifacts

from pipeline.config.sections import BeamConfig
from pipeline.runners.observed import _sync, clear, observed
from trainer.common.signals import stop_on_signals

CONTEXT = BaseBeamExecutor.Context(beam_pipeline_args=BeamConfig().arguments("X"))


class Executor(BaseBeamExecutor):
    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        pass


def test_an_executor_does_not_take_the_options_of_a_command_for_its_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["iadb", "run", "-v", "--preset", "digits"])
    with pytest.raises(flags.IllegalFlagValueError):
        Executor(CONTEXT)
    with observed(observer=None):
        Executor(CONTEXT)
    with observed(observer=None, options=["--an-option-for-tfx"]):
        assert sys.argv == ["iadb", "--an-option-for-tfx"]
    assert sys.argv[1:] == ["run", "-v", "--preset", "digits"]


def test_tfx_packs_no_copy_of_itself_for_workers_in_this_process(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with observed(observer=None):
        Executor(CONTEXT)
    assert list(tmp_path.iterdir()) == []


def test_a_node_whose_library_makes_an_error_of_ctrl_c_is_interrupted(monkeypatch):
    def flatten(launching, info):  # as TensorFlow does in C++
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise TypeError

    monkeypatch.setattr(launcher.Launcher, "_run_executor", flatten)
    with observed(observer=None):
        launching = launcher.Launcher.__new__(launcher.Launcher)
    raised = []
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        try:
            launching._run_executor(SimpleNamespace(output_dict={}))
        except BaseException as error:
            raised.append(type(error))
    assert raised == [KeyboardInterrupt]


def test_the_files_of_a_node_are_on_disk_before_it_is_recorded_as_done(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("trainer.common.files.sync", synced.append)
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "variables" / "v").touch()
    (tmp_path / "model" / "gone").symlink_to("nowhere")
    model, bucket = standard_artifacts.Model(), standard_artifacts.Model()
    model.uri, bucket.uri = str(tmp_path / "model"), "gs://bucket/model"
    _sync({"model": [model, bucket]})
    model = tmp_path / "model"
    assert sorted(synced) == [model, model / "variables", model / "variables" / "v"]
    assert synced[-1] == model


def test_what_a_forgotten_run_left_where_a_node_is_about_to_write_is_removed(tmp_path):
    left, taken = tmp_path / "7" / "old", tmp_path / "taken" / "file"
    for file in (left, taken):
        file.parent.mkdir()
        file.touch()
    made, external = standard_artifacts.Model(), standard_artifacts.Model()
    made.uri, external.uri = str(left.parent), str(taken.parent)
    external.is_external = True
    clear({"model": [made, external]})
    assert not left.exists()
    assert taken.exists()
