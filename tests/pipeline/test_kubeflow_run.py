"""Our pipeline, compiled for Kubeflow and run task by task against PostgreSQL, as a local run."""

import contextlib
import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.cluster.compile import compile_package
from pipeline.config.pipeline_config import load
from pipeline.metadata.database import ENVIRONMENT, Database, variable
from pipeline.registry import lineage
from pipeline.registry.serving import latest_model, read_metadata
from tests.kubeflow_cluster import InProcessCluster, ProcessCluster, TaskPackage
from tests.pipeline.conftest import NODES, RESOLVERS, TINY, states
from tests.pipeline.stand_ins import quick_evaluation, quick_network
from tests.postgres import Postgres
from trainer.common import exit_codes
from trainer.names import CARD_SAMPLES, MODEL_CARD

pytestmark = pytest.mark.slow

EVERY = {*NODES, "BaseModel"}
STEPS = 1500  # long enough to be stopped in
# In place of `-P -m pipeline.runners.kubeflow.task`: the same, with the small network.
QUICK_TASK = (
    "-c",
    f"import runpy, sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    "from tests.pipeline.stand_ins import quick_network\n"
    "with quick_network(): runpy.run_module('pipeline.runners.kubeflow.task', run_name='__main__')",
)


class QuickCluster(ProcessCluster):
    """A cluster with a process per task, of which the Trainer's trains the small network."""

    def _command(self, package, name, run_id, parameters):
        command = super()._command(package, name, run_id, parameters)
        assert command[1:4] == ["-P", "-m", "pipeline.runners.kubeflow.task"]
        return [command[0], *QUICK_TASK, *command[4:]] if name == "Trainer" else command


class Place:
    """A cluster with our pipeline's package, and the digits as its first span."""

    def __init__(self, folder, kind, digits, postgres):
        self.folder, self.postgres = folder, postgres
        self.data = folder / "data"
        shutil.copytree(digits, self.data / "span-1")
        overrides = [
            *TINY,
            f"data.folder={self.data}",
            "data.pattern=span-{SPAN}",
            "train.warm_start=true",
            f"train.checkpoint.every_images={32 * 100}",
            f"train.grid_every={STEPS}",
            f"kubeflow.root={folder}",
            f"kubeflow.volumes={{iadb: {folder}}}",
        ]
        compile_package(load("digits", overrides=overrides), folder / "package.yaml")
        self.package = TaskPackage(folder / "package.yaml")
        self.done, self.live = {}, {}
        self.use(kind)

    def use(self, kind):
        self.cluster = kind(self.folder, {"iadb-metadata": self.postgres.secret})

    def run(self, run_id, before=None, **parameters):
        done = self.cluster.run(self.package, run_id, before, **parameters)
        failed = {name: task.text[-3000:] for name, task in done.items() if task.code}
        assert not failed, failed
        self.done[run_id] = done
        self.live[run_id] = latest_model(self.folder / "serving")

    def task(self, name, run_id, **parameters):
        return self.cluster.start_task(self.package, name, run_id, **parameters)

    def training_stopped_by(self, sent, run_id, beyond):
        """Starts the Trainer and stops it at a checkpoint after the step `beyond`."""
        process = self.task("Trainer", run_id, steps=STEPS)
        reached = self.wait_for_checkpoint(process, beyond)
        process.send_signal(sent)
        return reached, self.cluster.end_task("Trainer", run_id, process)

    def wait_for_checkpoint(self, process, beyond):
        deadline = time.monotonic() + 300
        started = time.time()
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):  # removed after a newer one
                for index in (self.folder / "checkpoints").glob("*/ckpt-*.index"):
                    step = int(index.stem.rpartition("-")[2])
                    if index.stat().st_mtime > started and beyond < step < STEPS:
                        return step
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        raise AssertionError("no checkpoint within five minutes")

    def add_span(self):
        shutil.copytree(self.data / "span-1", self.data / "span-2")
        for path in sorted((self.data / "span-2").glob("*/*.png"))[::9]:
            path.unlink()

    def runs(self):
        """The runs in ML Metadata, by id."""
        with self.credentials():
            return {run.id: run for run in lineage.runs(Database.of_url().connect())}

    def iadb(self, command, *arguments):
        """Calls a command on the volume and the database."""
        where = ["--workspace", str(self.folder), "--metadata", ENVIRONMENT]
        with self.credentials():
            result = CliRunner().invoke(main, [command, *where, *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    @contextlib.contextmanager
    def credentials(self):
        """What a pod's environment has of the Secret."""
        with pytest.MonkeyPatch.context() as environment:
            for key, value in self.postgres.secret.items():
                environment.setenv(variable(key), value)
            yield


@pytest.fixture(scope="module")
def place(tmp_path_factory, digits_folder):
    """Three runs: on an empty database, on the same data, and on a new span.

    The third has faults, and some of its tasks have processes of their own.
    """
    folder = tmp_path_factory.mktemp("kubeflow")
    with Postgres.running() as postgres, quick_network():
        place = Place(folder, InProcessCluster, digits_folder, postgres)
        place.run("first")
        place.run("second")
        place.add_span()
        before = {}

        def run_tasks(kind, *names):
            place.use(kind)
            for name in names:
                before[name] = place.cluster.run_task(place.package, name, "third", steps=STEPS)

        run_tasks(InProcessCluster, "ImageExampleGen", "SchemaImporter", "StatisticsGen")
        place.use(ProcessCluster)
        # The database is down when a task starts.
        postgres.stop()
        process = place.task("Transform", "third", steps=STEPS)
        place.waited = next(line for line in process.stdout if "waiting" in line)
        postgres.start()
        before["Transform"] = place.cluster.end_task("Transform", "third", process)
        run_tasks(InProcessCluster, "ExampleValidator", "DataGate", "DriftReference", "DriftGate")
        run_tasks(InProcessCluster, "RealFeatures", "BaseModel")
        place.use(QuickCluster)
        place.killed = place.training_stopped_by(signal.SIGKILL, "third", beyond=0)
        place.terminated = place.training_stopped_by(
            signal.SIGTERM, "third", beyond=place.killed[0]
        )
        run_tasks(InProcessCluster, "Trainer", "Baseline")
        run_tasks(ProcessCluster, "SampleEvaluator")
        place.use(InProcessCluster)
        place.run("third", before, steps=STEPS)
        yield place


@pytest.fixture(scope="module")
def runs(place):
    return place.runs()


def test_a_run_has_the_results_of_a_local_run_to_six_digits(place, runs, trained):
    first, local = runs["first"], trained.first
    assert states(first) == dict.fromkeys(EVERY, "done")
    assert first.blessed is True
    assert set(first.artifacts) >= set(local.artifacts)
    for name, found in local.metrics["metrics"].items():
        here, there = first.metrics["metrics"][name]["candidate"], found["candidate"]
        assert here == (None if there is None else pytest.approx(there, rel=1e-6)), name
    for count in ("files", "accepted", "rejected", "duplicates"):
        assert first.images(count) == local.images(count)
    assert place.live["first"] == first.pushed


def test_pushed_versions_have_the_cards_of_their_models(runs):
    first, third = (
        (runs[name].pushed / MODEL_CARD).read_text("utf-8") for name in ("first", "third")
    )
    assert "| folder | data |" in first and "| spans | 1 to 1 |" in first
    assert "started from" not in first
    assert f"| started from | model {runs['first'].model_number} |" in third
    samples = (runs["first"].evaluation / "samples.png").read_bytes()
    assert (runs["first"].pushed / CARD_SAMPLES).read_bytes() == samples


def test_a_second_run_finds_everything_in_the_cache(runs):
    again = states(runs["second"])
    assert {name for name, state in again.items() if state == "done"} == {"BaseModel", *RESOLVERS}
    assert {state for name, state in again.items() if state != "done"} == {"cached"}


def test_training_on_a_new_span_starts_from_the_blessed_model(runs):
    first, third = runs["first"], runs["third"]
    assert third.images("accepted") < first.images("accepted")
    assert read_metadata(third.model)["warm_started_from"] == str(first.model)
    assert third.blessed is True
    assert third.pushed.name > first.pushed.name


def test_kubeflow_shows_the_report_and_the_metrics_of_fresh_and_cached_evaluations(place, runs):
    for run_id in ("first", "second", "third"):
        shown = place.done[run_id]["SampleEvaluator"]
        run = runs[run_id] if run_id != "second" else runs["first"]
        assert shown.report == (run.evaluation / "report.html").read_text("utf-8")
        kid = run.metrics["metrics"]["kid"]["candidate"]
        # ML Metadata keeps six digits after the point on PostgreSQL.
        assert shown.metrics["kid"] == pytest.approx(kid, abs=1e-6)


def test_the_last_task_of_a_run_removes_what_is_not_kept(place):
    for done in place.done.values():
        assert done["Retention"].code == 0
        assert done["Retention"].text.startswith("removed\n")  # TFX's own files at least
    removed = place.iadb("clean", "--dry-run", "--set", "retention.runs=1")
    assert removed.startswith("would remove\n")


def test_a_killed_training_resumes_from_its_checkpoint_and_publishes_once(place):
    step, killed = place.killed
    assert killed.code == -signal.SIGKILL
    later, terminated = place.terminated
    assert later > step
    assert f"resuming from step {step:,}" in terminated.text
    assert terminated.code == 128 + signal.SIGTERM
    assert terminated.text.strip().splitlines()[-1].startswith("Trainer: terminated")
    third = place.runs()["third"]
    assert [node.id for node in third.nodes].count("Trainer") == 1
    assert read_metadata(third.model)["metrics"]["steps"] == STEPS
    assert read_metadata(third.model)["metrics"]["resumed_from_step"] >= later


def test_tasks_wait_for_a_database_that_restarts(place):
    assert place.waited.startswith("  waiting: no metadata database metadata on 127.0.0.1:")
    assert place.done["third"]["Transform"].code == 0


def test_no_credential_is_in_the_package_or_in_what_tasks_write(place):
    password = place.postgres.password
    assert password not in place.package.text
    for done in place.done.values():
        assert not any(password in task.text for task in done.values())


def test_a_full_volume_is_reported_in_one_line(place):
    mount = f'mount -t tmpfs -o size=16k tmpfs {place.folder / "artifacts"} && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    place.use(ProcessCluster)
    cluster = place.cluster
    process = cluster.start_task(place.package, "ImageExampleGen", "full", prefix, span="1")
    done = cluster.end_task("ImageExampleGen", "full", process)
    assert done.code == exit_codes.WORKSPACE, done.text
    assert done.text.strip().splitlines()[-1].startswith("ImageExampleGen: the disk is full: ")


def test_after_a_rollback_the_next_run_starts_from_and_beats_the_live_model(place, trained):
    runs = place.runs()
    first, third = (runs[name].artifacts["Trainer", "model"].id for name in ("first", "third"))
    assert live_models(place) == {first: False, third: True}
    place.iadb("rollback", "--reason", "six fingers")
    place.use(InProcessCluster)
    assert live_models(place) == {first: True, third: False}
    with quick_evaluation(trained.first.evaluation):
        place.run("fourth", steps=13)
    fourth = place.runs()["fourth"]
    assert read_metadata(fourth.model)["warm_started_from"] == str(runs["first"].model)
    blessing = fourth.artifacts["SampleEvaluator", "blessing"]
    assert blessing.custom_properties["baseline_model_id"].int_value == first
    number = fourth.artifacts["Trainer", "model"].id
    assert live_models(place) == {first: False, third: False, number: True}
    removed = place.iadb("clean", "--set", "retention.runs=1")
    assert removed.startswith("removed\n")
    with quick_evaluation(trained.first.evaluation):
        place.run("fifth", steps=13)
    again = states(place.runs()["fifth"])
    assert again["Trainer"] == "cached"


def live_models(place):
    """Whether each model is live, by its number."""
    listed = json.loads(place.iadb("models", "--json"))
    return {model["number"]: model["live"] for model in listed}
