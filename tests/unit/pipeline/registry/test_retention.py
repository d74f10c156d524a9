import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.drift_gate import names as drift_names
from pipeline.cli import main
from pipeline.registry import lineage, live_model
from pipeline.registry.models import load_models
from pipeline.registry.options import RetentionOptions
from pipeline.registry.retention import RemovalKind, clean
from pipeline.workspace import Workspace, WorkspaceError
from tests.recorded import OUTPUTS, Recorded, set_property
from trainer.common import exit_codes
from trainer.common.files import atomic_write

SIZE = 1000  # bytes of the file in each artifact
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from pipeline.registry import retention
from pipeline.registry.options import RetentionOptions
from pipeline.workspace import Workspace

calls = []

def rmtree(path):
    calls.append(path)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    removed(path)

removed, shutil.rmtree = shutil.rmtree, rmtree
retention.clean(Workspace(Path(sys.argv[1])), RetentionOptions(runs=1, versions=1))
"""


@pytest.fixture
def workspace():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # recording is slow on a disk
        yield Workspace(Path(folder))


@pytest.fixture
def recorded(workspace):
    return RecordedWithFiles(workspace.metadata, workspace.artifacts)


class RecordedWithFiles(Recorded):
    """Runs whose artifacts have files."""

    def run(self, **options):
        model = super().run(**options)
        run = lineage.run_contexts(self.store)[-1]
        for artifact in self.store.get_artifacts_by_context(run.id):
            folder = Path(artifact.uri)
            if folder.name == run.name:  # made by it, and not from the cache
                folder.mkdir(parents=True)
                (folder / "file").write_bytes(bytes(SIZE))
        return model


def live_artifacts(workspace):
    artifacts = lineage.connect(workspace.metadata).get_artifacts()
    return {artifact.id: artifact for artifact in artifacts if artifact.state == artifact.LIVE}


def live_models(workspace):
    return {a.id for a in live_artifacts(workspace).values() if a.type == "Model"}


def folders(workspace):
    return set(workspace.artifacts.glob("*/[!.]*/*"))


def assert_that_files_and_metadata_agree(workspace):
    assert folders(workspace) == {Path(a.uri) for a in live_artifacts(workspace).values()}


def test_what_the_newest_runs_made_is_kept_and_the_rest_removed(recorded, workspace):
    numbers = [recorded.run(blessed=False) for _ in range(5)]
    removals = clean(workspace, RetentionOptions(runs=2))
    assert live_models(workspace) == set(numbers[-2:])
    assert_that_files_and_metadata_agree(workspace)
    assert {removal.kind for removal in removals} == {RemovalKind.ARTIFACT}
    artifacts = 3 * sum(map(len, OUTPUTS.values()))
    assert len(removals) == artifacts
    assert sum(removal.size for removal in removals) == artifacts * SIZE
    assert clean(workspace, RetentionOptions(runs=2)) == []


def test_what_the_newest_run_had_from_the_cache_is_kept_at_any_age(recorded, workspace):
    first = recorded.run(blessed=False)
    for _ in range(3):
        recorded.run(blessed=False)
    recorded.run(of=first, blessed=False)
    clean(workspace, RetentionOptions(runs=1))
    assert live_models(workspace) == {first}


def test_live_and_rollback_models_are_kept_with_blessing_and_evaluation(recorded, workspace):
    numbers = [recorded.run() for _ in range(4)]
    pushed = [recorded.push(number, workspace.serving) for number in numbers]
    for _ in range(3):
        recorded.run(blessed=False)
    clean(workspace, RetentionOptions(versions=2, runs=1))
    left = {model.number: model.versions for model in models(workspace) if model.versions}
    assert left == {numbers[2]: (pushed[2],), numbers[3]: (pushed[3],)}
    assert set(numbers[2:]) <= live_models(workspace)
    about = [a for a in live_artifacts(workspace).values() if a.type.startswith("Model")]
    for kind in ("ModelBlessing", "ModelEvaluation"):
        known = {a.custom_properties["current_model_id"].int_value for a in about if a.type == kind}
        assert set(numbers[2:]) <= known
    live_model.rollback(workspace, None, "six fingers")
    assert next(model.number for model in models(workspace) if model.live) == numbers[2]


def live_version(workspace):
    (live,) = [model.versions[-1] for model in models(workspace) if model.live]
    return live


def models(workspace):
    return load_models(lineage.connect(workspace.metadata), workspace.serving)


def test_versions_of_withdrawn_models_and_older_copies_are_removed_first(recorded, workspace):
    good, bad = recorded.run(), recorded.run()
    old, withdrawn = (recorded.push(number, workspace.serving) for number in (good, bad))
    again, _ = live_model.rollback(workspace, None, "six fingers")
    removals = clean(workspace, RetentionOptions())
    assert [int(r.path.name) for r in removals if r.kind is RemovalKind.VERSION] == [old, withdrawn]
    assert [path.name for path in workspace.serving.iterdir() if path.is_dir()] == [again.name]


def test_a_live_version_is_kept_even_if_its_model_is_withdrawn(recorded, workspace):
    good, bad = recorded.run(), recorded.run()
    pushed = [recorded.push(number, workspace.serving) for number in (good, bad)]
    # A rollback that was killed before it had copied the earlier version.
    live_model._withdraw(recorded.store, [bad], "six fingers")
    clean(workspace, RetentionOptions(versions=1, runs=1))
    assert {model.versions for model in models(workspace)} == {(number,) for number in pushed}


def test_students_of_withdrawn_teachers_are_no_versions_to_roll_back_to(recorded, workspace):
    first, bad = recorded.run(), recorded.run()
    student = recorded.student(bad)
    pushed = [recorded.push(each, workspace.serving) for each in (first, bad, student)]
    live = recorded.push(recorded.run(), workspace.serving)
    live_model._withdraw(recorded.store, [bad], "six fingers")
    clean(workspace, RetentionOptions(versions=2))
    left = {int(path.name) for path in workspace.serving.glob("[0-9]*")}
    assert left == {pushed[0], live}


def test_a_version_from_elsewhere_is_kept(recorded, workspace):
    foreign = workspace.serving / "1"
    foreign.mkdir(parents=True)
    (foreign / "saved_model.pb").touch()
    for _ in range(3):
        recorded.push(recorded.run(), workspace.serving)
    clean(workspace, RetentionOptions(versions=1))
    assert len(list(workspace.serving.glob("[0-9]*"))) == 2
    assert foreign.exists()


def test_models_to_compare_with_and_to_start_from_are_kept(recorded, workspace):
    base, before, latest = (recorded.run() for _ in range(3))
    share_examples(recorded, before, latest)
    for _ in range(3):
        recorded.run(blessed=False)
    clean(workspace, RetentionOptions(runs=1))
    newest = max(live_models(workspace))
    assert live_models(workspace) == {base, before, latest, newest}


def test_in_place_of_a_withdrawn_model_earlier_ones_are_kept(recorded, workspace):
    before, latest, bad = (recorded.run() for _ in range(3))
    live_model._withdraw(recorded.store, [bad], "six fingers")
    newest = recorded.run(blessed=False)
    clean(workspace, RetentionOptions(runs=1))
    assert live_models(workspace) == {before, latest, newest}


def test_if_the_newest_runs_have_no_verdict_the_last_with_one_is_kept(recorded, workspace):
    _, judged = (recorded.run(blessed=False) for _ in range(2))
    failed = [recorded.run(blessed=None) for _ in range(3)]
    clean(workspace, RetentionOptions(runs=2))
    assert live_models(workspace) == {judged, *failed[-2:]}


def test_the_verdict_on_a_student_alone_is_not_one_of_a_run_to_compare_with(recorded, workspace):
    judged = recorded.run()
    recorded.student(judged, alone=True)
    clean(workspace, RetentionOptions(runs=1))
    assert "components.DriftVerdict" in {each.type for each in live_artifacts(workspace).values()}


def test_runs_of_another_pipeline_do_not_age_what_a_pipeline_compares_with(recorded, workspace):
    _, judged = (recorded.run(blessed=False) for _ in range(2))
    recorded.begin("emoji")
    others = [recorded.run(blessed=False) for _ in range(3)]
    clean(workspace, RetentionOptions(runs=1))
    assert live_models(workspace) == {judged, others[-1]}
    assert drift_references(workspace) == ["run-00002", "run-00005"]


def test_the_newest_drift_reference_of_each_space_is_kept(recorded, workspace):
    for span, space in ((1, "gray"), (3, "gray"), (2, "gray"), (4, "color"), (5, "color")):
        recorded.run(blessed=False)
        verdict = recorded.store.get_artifacts_by_type(drift_names.VERDICT_TYPE)[-1]
        set_property(verdict.custom_properties[drift_names.SPAN], span)
        set_property(verdict.custom_properties[drift_names.SPACE], space)
        recorded.store.put_artifacts([verdict])
    clean(workspace, RetentionOptions(runs=1))
    assert drift_references(workspace) == ["run-00002", "run-00005"]


def drift_references(workspace):
    return sorted(path.name for path in (workspace.artifacts / "DriftGate" / "verdict").iterdir())


def share_examples(recorded, model, other):
    """Makes the examples of one Model an input of the other's training, too."""
    examples = {each.number: each.examples for each in load_models(recorded.store, Path("none"))}
    (execution,) = {
        event.execution_id
        for event in recorded.store.get_events_by_artifact_ids([other])
        if event.type == event.OUTPUT
    }
    event = mlmd.Event(type=mlmd.Event.INPUT, execution_id=execution, artifact_id=examples[model])
    event.path.steps.add().key = "examples"
    event.path.steps.add().index = 0
    recorded.store.put_events([event])


def test_models_keep_their_metrics_and_runs_their_verdicts(recorded, workspace):
    recorded.run(kid=0.3, span=7)
    for _ in range(3):
        recorded.run()
    before = models(workspace)
    clean(workspace, RetentionOptions(runs=1))
    assert models(workspace) == before
    first = lineage.runs(recorded.store)[0]
    assert (first.blessed, first.images("accepted")) == (True, 1797)
    assert (first.model, first.evaluation, first.rejected_report) == (None, None, None)
    assert "blessed" in iadb("runs", "--workspace", workspace.folder).output


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_a_dry_run_returns_the_same_and_removes_nothing(recorded, workspace):
    for _ in range(4):
        recorded.push(recorded.run(), workspace.serving)
    before = (folders(workspace), live_artifacts(workspace), models(workspace))
    options = RetentionOptions(runs=1, versions=1)
    dry = clean(workspace, options, dry_run=True)
    assert (folders(workspace), live_artifacts(workspace), models(workspace)) == before
    assert clean(workspace, options) == dry


@pytest.mark.parametrize("call", [1, 3, 12])  # of a version, of an artifact
def test_a_killed_removal_leaves_no_live_artifact_without_files_and_can_be_completed(
    recorded, workspace, call
):
    for _ in range(4):
        recorded.push(recorded.run(), workspace.serving)
    command = [sys.executable, "-c", KILLED, workspace.folder, str(call)]
    assert subprocess.run(command).returncode == -9
    assert {Path(a.uri) for a in live_artifacts(workspace).values()} <= folders(workspace)
    live = live_version(workspace)
    clean(workspace, RetentionOptions(runs=1, versions=1))
    assert_that_files_and_metadata_agree(workspace)
    left = {path.name for path in workspace.serving.iterdir()}
    assert left == {".lock", str(live)}


def test_leftovers_of_killed_runs_and_of_tfx_are_removed(recorded, workspace):
    recorded.run()
    killed = recorded.store.put_executions(
        [mlmd.Execution(type_id=recorded.store.get_execution_type("Trainer").id)]
    )[0]
    left = [
        workspace.artifacts / "Trainer" / "model" / str(killed),
        workspace.artifacts / "Trainer" / ".system" / "executor_execution" / str(killed),
        workspace.artifacts / "Trainer" / ".system" / "stateful_working_dir" / "0b5c",
        workspace.serving / ".partial-1795569897",
    ]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "file").touch()
    workspace.reports.mkdir()
    for file in (workspace.reports / "latest.html", workspace.latest_samples):
        with atomic_write(file) as part:
            part.touch()
        part.touch()  # as if its writer had been killed
        left.append(part)
    clean(workspace, RetentionOptions())
    assert not [path for path in left if path.exists()]
    assert_that_files_and_metadata_agree(workspace)


def test_what_cannot_be_removed_keeps_nothing_else(recorded, workspace, monkeypatch):
    numbers = [recorded.run(blessed=False) for _ in range(5)]
    workspace.logs.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        (workspace.logs / f"{number}.log").touch()
    unlink = Path.unlink

    def may_not(path, missing_ok=False):
        if path.suffix == ".log":
            raise PermissionError(errno.EACCES, "denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", may_not)
    with pytest.raises(PermissionError):
        clean(workspace, RetentionOptions(runs=2, logs=1))
    assert live_models(workspace) == set(numbers[-2:])
    assert_that_files_and_metadata_agree(workspace)


def test_files_unknown_to_the_metadata_are_left_alone_and_no_link_is_followed(
    recorded, workspace, tmp_path
):
    precious = tmp_path / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "deep" / "file").touch()
    recorded.run(blessed=False)
    gone = next(path for path in folders(workspace) if path.parent.name == "model")
    shutil.rmtree(gone)
    gone.symlink_to(precious)
    strange = workspace.artifacts / "Trainer" / "model" / "mine"
    strange.mkdir()
    for link in (
        workspace.artifacts / "Trainer" / ".system",
        workspace.artifacts / "Linked",
        workspace.artifacts / "Trainer" / "linked",
        workspace.checkpoints / "0123456789abcdef",
    ):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(precious)
    (workspace.checkpoints / "mine").mkdir()
    for _ in range(2):
        recorded.run(blessed=False)
    clean(workspace, RetentionOptions(runs=1, checkpoints=1))
    assert (precious / "deep" / "file").exists()
    assert strange.exists()
    assert (workspace.checkpoints / "mine").exists()


def test_a_moved_workspace_keeps_the_same(recorded, workspace, tmp_path):
    numbers = [recorded.run() for _ in range(4)]
    moved = Workspace(tmp_path / "elsewhere")
    shutil.copytree(workspace.folder, moved.folder)
    clean(moved, RetentionOptions(runs=1))
    left = {path.name for path in (moved.artifacts / "Trainer" / "model").iterdir()}
    assert left == {"run-00003", "run-00004"}
    assert live_models(moved) == set(numbers[2:])


def test_a_new_metadata_database_removes_nothing(recorded, workspace):
    recorded.run()
    before = folders(workspace)
    workspace.metadata.unlink()
    Recorded(workspace.metadata, workspace.artifacts)
    clean(workspace, RetentionOptions(runs=1))
    assert folders(workspace) == before


def test_a_lost_metadata_database_is_an_error_and_not_nothing_to_remove(recorded, workspace):
    recorded.run()
    before = folders(workspace)
    workspace.metadata.unlink()
    result = iadb("clean", "--workspace", workspace.folder)
    assert result.exit_code == exit_codes.WORKSPACE
    assert "metadata.sqlite is missing, though runs have recorded" in result.output
    assert folders(workspace) == before


def test_the_newest_checkpoints_reports_logs_and_results_are_kept(recorded, workspace):
    recorded.run()
    for i in range(4):
        checkpoint = workspace.checkpoints / f"{i:016x}" / "logs" / "events"
        for path in (
            checkpoint,
            workspace.reports / f"{i}.html",
            workspace.logs / f"{i}.log",
            workspace.access_logs / f"access-{i}.log",
            workspace.results / f"{i}.json",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (1000 * i, 1000 * i))
    (workspace.reports / "latest.html").touch()
    clean(workspace, RetentionOptions(checkpoints=1, reports=2, logs=3))
    assert {path.name for path in workspace.checkpoints.iterdir()} == {f"{3:016x}"}
    assert {path.name for path in workspace.reports.iterdir()} == {
        "2.html",
        "3.html",
        "latest.html",
    }
    assert {path.name for path in workspace.logs.glob("*.log")} == {"1.log", "2.log", "3.log"}
    requests = {path.stem for path in workspace.access_logs.iterdir()}
    assert requests == {"access-1", "access-2", "access-3"}
    assert {path.stem for path in workspace.results.iterdir()} == {"1", "2", "3"}


def test_logs_results_and_reports_go_by_their_names_and_not_by_when_they_were_copied(
    recorded, workspace
):
    recorded.run()
    times = ("20261130-235959", "20261201-083602", "20261201-083602-000001", "20261201-083603")
    numbered = [workspace.reports / f"{number}.html" for number in (9, 10, 99, 100)]
    for kind in (
        [workspace.logs / f"{time}.log" for time in times],
        [workspace.logs / f"{time}.jsonl" for time in times],
        [workspace.results / f"{time}.json" for time in times],
        numbered,
    ):
        for i, path in enumerate(kind):
            path.parent.mkdir(exist_ok=True)
            path.touch()
            os.utime(path, (1000 - i, 1000 - i))
    unnumbered = workspace.logs / "cron.log"
    unnumbered.touch()
    partial = workspace.results / f".{times[0]}.json.0123.partial"
    partial.touch()
    clean(workspace, RetentionOptions(reports=2, logs=2))
    for pattern in ("*.log", "*.jsonl"):
        assert {path.stem for path in workspace.logs.glob(pattern)} - {"cron"} == {*times[2:]}
    assert {path.stem for path in workspace.results.iterdir()} == {*times[2:]}
    assert {path.stem for path in workspace.reports.iterdir()} == {"99", "100"}
    assert unnumbered.exists()


def test_with_null_all_are_kept(recorded, workspace):
    for _ in range(3):
        recorded.push(recorded.run(blessed=False), workspace.serving)
    everything = dict.fromkeys(RetentionOptions.model_fields)
    assert clean(workspace, RetentionOptions(**everything)) == []


@pytest.mark.slow
def test_a_hundred_runs_take_no_more_space_than_thirty(recorded, workspace):
    options, sizes = RetentionOptions(runs=5, versions=3), {}
    for i in range(100):
        blessed = i % 3 > 0
        model = recorded.run(blessed=blessed)
        if blessed:
            recorded.push(model, workspace.serving)
        if i % 10 == 9:
            clean(workspace, options)
            files = [*workspace.artifacts.rglob("*"), *workspace.serving.rglob("*")]
            sizes[i + 1] = sum(path.stat().st_size for path in files if path.is_file())
    assert max(sizes.values()) <= 1.1 * sizes[30]
    assert_that_files_and_metadata_agree(workspace)


def test_a_workspace_in_use_is_rejected_and_one_without_runs_stays_empty(workspace, tmp_path):
    Recorded(workspace.metadata, workspace.artifacts)
    with workspace.locked(), pytest.raises(WorkspaceError, match="is in use"):
        clean(workspace, RetentionOptions())
    artifacts = tmp_path / "new" / "artifacts"
    artifacts.mkdir(parents=True)
    result = iadb("clean", "--workspace", artifacts.parent)
    assert result.output == f"nothing to remove in {artifacts.parent}\n"
    assert list(artifacts.parent.iterdir()) == [artifacts]


def test_the_command_reports_what_is_removed_and_its_size(recorded, workspace):
    for _ in range(3):
        recorded.push(recorded.run(), workspace.serving)
    arguments = ("clean", "--workspace", workspace.folder, "--set", "retention.versions=1")
    dry = iadb(*arguments, "--dry-run").output.splitlines()
    assert dry[0] == "would remove"
    assert dry[1].split()[:2] == ["versions", "2"]
    assert dry[-1].split()[:2] == ["total", "2"]
    assert iadb(*arguments).output.splitlines() == ["removed", *dry[1:]]


def test_neither_tensorflow_nor_tfx_is_imported(workspace):
    command = (
        "import sys, pipeline.registry.retention; print({'tensorflow', 'tfx'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert found.stdout == "set()\n"
