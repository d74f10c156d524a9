from datetime import datetime, timezone

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

from pipeline.choosing.machine import Machine
from pipeline.cli import main
from pipeline.config.pipeline_config import load
from pipeline.registry.journal import Journal
from pipeline.run import _claim, _tell_of_kill, _without_held, check_gpus, prepare_tensorflow
from pipeline.workspace import Workspace, WorkspaceError
from tests.recorded import Recorded
from trainer.common import exit_codes
from trainer.light.gpus import MISSING_LIBRARIES
from trainer.options import TrainOptions

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=timezone.utc)


def test_a_run_that_cannot_record_which_check_started_it_goes_on(tmp_path, caplog):
    workspace = Workspace(tmp_path)
    workspace.journal.mkdir()
    _claim(workspace, 3, "run-1")
    assert "cannot record that check 3 started this run" in caplog.text


@pytest.mark.parametrize("killed", [True, False])
def test_a_run_says_of_the_last_one_that_it_was_killed(tmp_path, capsys, killed):
    workspace = Workspace(tmp_path)
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    recorded.run(blessed=None)
    if killed:
        *_, trainer, _ = recorded.store.get_executions()
        trainer.last_known_state = mlmd.Execution.RUNNING
        recorded.store.put_executions([trainer])
    _tell_of_kill(workspace, Console())
    assert capsys.readouterr().out == (
        "  the last run ended in Trainer without a result: the disk was full, the power failed, or "
        "it was killed by SIGKILL, probably because the memory ran out: lower train.batch_size, "
        "end other programs, or use a machine with more memory\n"
        if killed
        else ""
    )


def test_a_first_run_has_no_last_one(tmp_path, capsys):
    _tell_of_kill(Workspace(tmp_path), Console())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("setting", "gpus", "reason"),
    [
        (
            "batch_size=9",
            2,
            "train.batch_size=9 is not divisible by the 2 GPUs that share a batch: set it to a "
            "multiple of 2",
        ),
        (
            "accumulate=2",
            4,
            "train.accumulate=2 needs a single GPU, but there are 4: set it to 1",
        ),
    ],
)
def test_gpus_that_cannot_share_a_training_are_refused_before_anything_starts(
    tmp_path, monkeypatch, setting, gpus, reason
):
    monkeypatch.setattr("pipeline.run.this_machine", lambda: Machine(2, gpus))
    (tmp_path / "images").mkdir()
    place = "--data", str(tmp_path / "images"), "--workspace", str(tmp_path / "workspace")
    result = CliRunner().invoke(main, ["run", "--preset=digits", f"--set=train.{setting}", *place])
    assert result.exit_code == exit_codes.USAGE
    assert result.output == f"iadb: {reason}, or hide GPUs with CUDA_VISIBLE_DEVICES\n"
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(("found", "installed"), [(None, False), ("0", True), ("0", False)])
def test_gpus_that_stay_idle_for_want_of_libraries_are_one_line(
    monkeypatch, capsys, found, installed
):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or what it sets would stay
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    monkeypatch.setattr("trainer.light.gpus.find", lambda: found)
    monkeypatch.setattr("trainer.light.gpus.has_libraries", lambda: installed)
    prepare_tensorflow(Console())
    idle = found is not None and not installed
    assert capsys.readouterr().out == (f"  {MISSING_LIBRARIES}\n" if idle else "")


@pytest.mark.parametrize(
    ("options", "gpus"),
    [
        ({"batch_size": 9, "accumulate": 2}, 0),
        ({"batch_size": 9, "accumulate": 2}, 1),
        ({"batch_size": 8}, 2),
    ],
)
def test_gpus_that_can_share_a_training_are_accepted(monkeypatch, options, gpus):
    monkeypatch.setattr("pipeline.run.this_machine", lambda: Machine(2, gpus, idle_gpus=2))
    check_gpus(TrainOptions(**options))


def test_without_the_journal_it_is_not_known_what_is_held_and_nothing_is_read(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.journal.mkdir(parents=True)
    config = load(overrides=["data.folder=/images", "data.pattern=span-{SPAN}"])
    with pytest.raises(WorkspaceError, match="cannot be read, so it is not known which spans are"):
        _without_held(config, workspace, Console())


def test_a_person_reads_no_held_span_unless_it_is_named(tmp_path, capsys):
    workspace = Workspace(tmp_path / "workspace")
    journal = Journal(workspace.journal, "/images")
    for span in (2, 4, 5):
        journal.hold(span, "drift", NOW)
    journal.release(5, NOW)
    spans = ["data.folder=/images", "data.pattern=span-{SPAN}", "data.exclude=[1]"]
    read = _without_held(load(overrides=spans), workspace, Console(width=200))
    assert read.data.exclude == (1, 2, 4)
    assert capsys.readouterr().out == (
        "  held, and not read: span 2 4; to accept: iadb spans release 2 4\n"
    )
    named = load(overrides=[*spans, "data.span=4", "data.exclude=[1,2]"])
    assert _without_held(named, workspace, Console()) == named
    growing = load(overrides=["data.folder=/images"])
    assert _without_held(growing, workspace, Console()) == growing
    assert capsys.readouterr().out == ""
