"""The models of a cluster's runs: a volume, or a bucket, and a PostgreSQL database."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from components.atomic_pusher.versions import complete_versions
from components.sample_evaluator import names as evaluator_names
from pipeline.cli import main
from pipeline.metadata.database import KEYS, Database, MetadataDatabaseError, variable
from pipeline.registry import lineage, serving
from pipeline.registry.kept_artifacts import kept_artifacts
from pipeline.registry.models import load_models
from pipeline.registry.shared_workspace import SharedWorkspace
from tests.postgres import DATABASE, Postgres
from tests.recorded import Recorded, write_model
from trainer.common import exit_codes
from trainer.common.remote_path import to_path

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
USE = """
import sys, time
from pipeline.metadata.database import Database
with Database.of_url().files_used("Trainer of run 7"):
    print("in use", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def postgres():
    with Postgres.running() as server:
        yield server


@pytest.fixture
def empty_database(postgres, monkeypatch):
    """A server with an empty database, which the environment names as that of a pod."""
    with psycopg.connect(
        **postgres.connection | {"dbname": "postgres"}, autocommit=True
    ) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    for key, value in postgres.secret.items():
        monkeypatch.setenv(variable(key), value)
    return postgres


class Cluster:
    """The folder of a cluster's runs, and its database."""

    def __init__(self, folder):
        self.folder = folder
        self.workspace = SharedWorkspace(to_path(str(folder)), Database.of_url())
        self.store = self.workspace.database.connect()
        self.recorded = Recorded(self.store, self.workspace.artifacts)

    def run(self, **options):
        """Records a run, with files in its artifacts; pushes its model if it is blessed."""
        number = self.recorded.run(**options)
        run = lineage.run_contexts(self.store)[-1]
        for artifact in self.store.get_artifacts_by_context(run.id):
            folder = to_path(artifact.uri)
            if folder.name == run.name:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "file").touch()
        if options.get("blessed", True):
            self.recorded.push(number, self.workspace.serving)
        return number

    def models(self):
        found = load_models(lineage.connect(self.workspace.metadata), self.workspace.serving)
        return {model.number: model for model in found}

    def live(self):
        return next(number for number, model in self.models().items() if model.live)

    def iadb(self, command, *arguments):
        """Calls a command with a URL that leaves out the password and more."""
        port = os.environ[variable("port")]
        place = ["--workspace", str(self.folder), "--metadata", f"postgresql://127.0.0.1:{port}"]
        return CliRunner().invoke(main, [command, *place, *map(str, arguments)])


@pytest.fixture(params=["volume", "bucket"])
def cluster(request, empty_database, tmp_path):
    if request.param == "volume":
        return Cluster(tmp_path / "volume")
    return Cluster(f"ram://{tmp_path.name}/bucket")  # TensorFlow's file system in memory


@pytest.fixture
def volume(empty_database, tmp_path):
    return Cluster(tmp_path / "volume")


def next_choices(cluster):
    """The models that the next run may compare with or start from."""
    models = list(cluster.models().values())
    return kept_artifacts(cluster.store, models, [], 1) & set(cluster.models())


def test_models_and_runs_are_listed_from_the_database_and_the_folder(cluster):
    a, b = cluster.run(), cluster.run(blessed=False, reason="kid 0.5 is over 0.02", kid=0.5)
    listed = json.loads(cluster.iadb("models", "--json").output)
    assert [(model["number"], model["live"]) for model in listed] == [(a, True), (b, False)]
    assert listed[1]["reason"] == "kid 0.5 is over 0.02"
    assert cluster.iadb("runs").output.count("blessed") == 2


def test_a_rollback_is_recorded_and_the_next_baseline_is_the_live_model(cluster):
    a, b = cluster.run(), cluster.run()
    result = cluster.iadb("rollback", "--reason", "six fingers")
    assert result.exit_code == 0, result.output
    live = complete_versions(cluster.workspace.serving)[-1]
    assert result.output == f"live: {live}; withdrawn: model {b}\n"
    assert cluster.live() == a
    assert cluster.models()[b].withdrawn == "six fingers"
    newest = cluster.run(blessed=False)
    assert next_choices(cluster) == {a, newest}


def test_surplus_versions_and_artifacts_are_removed(cluster):
    numbers = [cluster.run() for _ in range(4)]
    kept = ("--set", "retention.runs=1", "--set", "retention.versions=2")
    dry = cluster.iadb("clean", "--dry-run", *kept)
    assert dry.output.startswith("would remove\n  versions          2"), dry.output
    listed = json.loads(cluster.iadb("clean", "--dry-run", "--json", *kept).output)
    versions = [each for each in listed if each["kind"] == "version"]
    assert [each["path"].partition("/")[0] for each in versions] == ["serving"] * 2
    removed = cluster.iadb("clean", *kept)
    assert removed.output.splitlines()[1:] == dry.output.splitlines()[1:]
    left = {number: bool(model.versions) for number, model in cluster.models().items()}
    assert left == dict(zip(numbers, [False, False, True, True], strict=True))
    trained = cluster.workspace.artifacts / "Trainer" / "model"
    found = {path.name for path in trained.iterdir() if path.name.startswith("run-")}
    assert found == {"run-00003", "run-00004"}
    assert cluster.iadb("clean", *kept).output == f"nothing to remove in {cluster.folder}\n"


def test_a_model_that_cannot_be_promoted_is_rejected_in_one_line(cluster):
    a = cluster.run()
    rejected = cluster.run(blessed=False)
    result = cluster.iadb("promote", rejected, "--reason", "looks better")
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith(f"iadb: model {rejected}: its files were removed")
    assert len(result.output.splitlines()) == 1
    assert cluster.live() == a


def test_from_another_mount_point_models_change_and_the_records_of_the_cluster_stay(
    volume, tmp_path, monkeypatch
):
    monkeypatch.setattr(serving, "check", lambda model: subprocess.CompletedProcess([], 0))
    a, b, c = volume.run(), volume.run(), volume.run(blessed=False)
    write_model(volume.models()[c].folder)
    before = {artifact.id: artifact.uri for artifact in volume.store.get_artifacts()}
    volume.folder = volume.folder.rename(tmp_path / "elsewhere")  # as this machine reaches it
    result = volume.iadb("rollback", "--reason", "six fingers")
    assert result.exit_code == 0, result.output
    result = volume.iadb("promote", c, "--reason", "looks better")
    assert result.exit_code == 0, result.output
    listed = {each["number"]: each for each in json.loads(volume.iadb("models", "--json").output)}
    assert [listed[a]["live"], listed[b]["withdrawn"], listed[c]["live"]] == [
        False,
        "six fingers",
        True,
    ]
    after = {artifact.id: artifact.uri for artifact in volume.store.get_artifacts()}
    assert before.items() <= after.items()
    assert all(uri.startswith(f"{volume.workspace.artifacts}/") for uri in after.values())
    [promotion] = after.keys() - before.keys()
    written = volume.folder / os.path.relpath(after[promotion], volume.workspace.folder)
    assert (written / evaluator_names.BLESSED_FILE).exists()


@contextlib.contextmanager
def a_node_runs():
    process = subprocess.Popen([sys.executable, "-c", USE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "in use\n"
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", [["rollback"], ["promote", "1", "--reason", "x"], ["clean"]])
def test_while_a_node_runs_nothing_is_changed_and_the_node_is_named(volume, command):
    volume.run()
    volume.run()
    before = volume.models()
    with a_node_runs():
        result = volume.iadb(*command)
    assert result.exit_code == exit_codes.WORKSPACE
    assert result.output.startswith(
        f"iadb: workspace {volume.folder} is in use by Trainer of run 7 (127.0.0.1) since 20"
    )
    assert len(result.output.splitlines()) == 1
    assert volume.models() == before


def test_a_clean_that_does_not_insist_leaves_a_used_workspace_alone(volume):
    volume.run()
    with a_node_runs():
        result = volume.iadb("clean", "--if-free", "--set", "retention.runs=1")
    assert result.exit_code == 0
    assert result.output.startswith(f"nothing removed: workspace {volume.folder} is in use by")
    with a_node_runs():
        assert volume.iadb("clean", "--if-free", "--json").output == "[]\n"


def test_a_killed_node_holds_nothing_and_several_nodes_share(volume):
    volume.run()
    with a_node_runs(), a_node_runs() as second:
        second.send_signal(signal.SIGKILL)
    assert volume.iadb("clean").exit_code == 0


def test_a_node_waits_for_a_command(volume):
    with (
        volume.workspace.locked(),
        subprocess.Popen([sys.executable, "-c", USE], stdout=subprocess.PIPE, text=True) as process,
    ):
        with psycopg.connect(**connection()) as watching:
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not watching.execute(waiting).fetchone()[0]:
                assert process.poll() is None
        process.kill()


@pytest.mark.parametrize(
    "command", [["models"], ["runs"], ["rollback"], ["promote", "1", "--reason", "x"], ["clean"]]
)
def test_a_mistyped_folder_is_refused_and_nothing_is_recorded(volume, command):
    volume.run()
    rejected = volume.run(blessed=False)
    (volume.folder / "artifacts").rename(volume.folder / "elsewhere")
    result = volume.iadb(*command)
    assert result.exit_code == exit_codes.USAGE
    assert result.output == (
        f"iadb: workspace {volume.folder}: contains no artifacts, which every run of a cluster "
        "writes; choose kubeflow.root with --workspace\n"
    )
    assert not volume.models()[rejected].promoted


@pytest.mark.parametrize("command", [["models"], ["promote", "1", "--reason", "x"], ["clean"]])
def test_a_mistyped_database_is_refused_and_stays_empty(empty_database, tmp_path, command):
    (tmp_path / "artifacts").mkdir()
    place = "--workspace", str(tmp_path), "--metadata", "postgresql://"
    result = CliRunner().invoke(main, [*command, *place])
    assert result.exit_code == exit_codes.USAGE
    assert result.output == (
        f"iadb: metadata database {DATABASE} on 127.0.0.1:{empty_database.port}: contains no runs; "
        "choose another with --metadata\n"
    )
    with psycopg.connect(**connection()) as database:
        assert database.execute(TABLES).fetchone() == (0,)


def test_the_home_directory_is_found_with_a_database_too(volume, monkeypatch):
    number = volume.run()
    monkeypatch.setenv("HOME", str(volume.folder.parent))
    volume.folder = "~/volume"
    assert [model["number"] for model in json.loads(volume.iadb("models", "--json").output)] == [
        number
    ]


def test_a_lock_that_stays_held_is_reported_with_its_holder(volume, monkeypatch):
    monkeypatch.setattr("pipeline.metadata.database.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("pipeline.metadata.database.COMMAND_SECONDS", 0.05)
    database = volume.workspace.database
    expected = f"in use by process {os.getpid()} on .*, and waiting took too long"
    with database.schema_locked(), pytest.raises(MetadataDatabaseError, match=expected) as error:
        database.connect()
    assert "no metadata database" not in str(error.value)
    with (
        database.files_changed(),
        pytest.raises(MetadataDatabaseError, match=expected),
        database.files_used("Trainer of run 7"),
    ):
        pass


def connection():
    values = {key: os.environ[variable(key)] for key in KEYS}
    return {"dbname": values.pop("database"), **values}


@pytest.mark.parametrize("password", ["not-it", "s3cr%zzt"])
@pytest.mark.parametrize("where", ["url", "environment"])
def test_no_message_contains_the_password(volume, monkeypatch, password, where):
    monkeypatch.setenv(variable("password"), password)
    user = f"tfx:{password}@" if where == "url" else "tfx@"
    url = f"postgresql://{user}127.0.0.1:{os.environ[variable('port')]}/{DATABASE}"
    volume.workspace.artifacts.mkdir(parents=True)
    folder = str(volume.folder)
    result = CliRunner().invoke(main, ["models", "--workspace", folder, "--metadata", url])
    if where == "url":
        assert result.exit_code == exit_codes.USAGE
        assert "must not contain a password; set TFX_METADATA_PASSWORD" in result.output
    else:
        assert result.exit_code == exit_codes.CLUSTER
        assert 'password authentication failed for user "tfx"' in result.output
    assert password not in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost/metadata",
        "localhost:5432",
        "postgresql://host:port/metadata",
        "postgresql://host/a/b",
        "postgresql://host/metadata?sslmode=require",
        "postgresql://[::1/metadata",
        "postgresql://tfx:s3/cr/zzt@host/metadata",
        "postgresql://tfx:12/cr-zzt@host",
        "postgresql://tfx:12?cr-zzt@host",
        "postgresql://tfx:12#cr-zzt@host",
    ],
)
def test_another_url_is_rejected_with_the_form_that_is_expected(url):
    result = CliRunner().invoke(main, ["models", "--metadata", url])
    assert result.exit_code == exit_codes.USAGE
    assert "expected postgresql://USER@HOST:PORT/DATABASE" in result.output
    assert "zzt" not in result.output and "s3" not in result.output  # of a password
    assert len(result.output.splitlines()) == 1


def test_what_neither_the_url_nor_the_environment_has_is_named(monkeypatch):
    for key in KEYS:
        monkeypatch.delenv(variable(key), raising=False)
    result = CliRunner().invoke(main, ["models", "--metadata", "postgresql://tfx@host/metadata"])
    assert result.exit_code == exit_codes.CLUSTER
    assert "iadb: TFX_METADATA_PORT, TFX_METADATA_PASSWORD not set" in result.output


@pytest.mark.parametrize("command", ["models", "run"])
def test_a_bucket_without_a_database_is_rejected_and_no_folder_is_made(
    tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [command, "--workspace", "gs://bucket/iadb"])
    assert result.exit_code == exit_codes.USAGE
    assert "local runs need a folder of this machine" in result.output
    assert ("--metadata" in result.output) == (command == "models")  # `run` has no such option
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "command", ["run", "models", "models --metadata=x", "schedule --cron=@daily"]
)
def test_an_empty_name_of_a_workspace_is_refused_and_no_folder_is_used(
    tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [*shlex.split(command), "--workspace="])
    assert result.exit_code == exit_codes.USAGE
    assert result.output == (
        'iadb: --workspace "": is empty; name a folder, or leave the option out\n'
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["run", "schedule --cron '0 3 * * *'"])
@pytest.mark.parametrize("name", ["ws [v2]", "w*", "w?", "w\\s"])
def test_a_run_in_a_path_that_is_read_as_a_pattern_is_rejected_and_no_folder_is_made(
    tmp_path, command, name
):
    place = "--data", str(tmp_path), "--workspace", str(tmp_path / name)
    result = CliRunner().invoke(main, [*shlex.split(command), *place])
    assert result.exit_code == exit_codes.USAGE
    assert result.output == (
        f"iadb: --workspace {tmp_path / name}: * ? [ \\ in a path are read as a pattern; choose "
        "another folder\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_folder_above_the_workspace_may_make_its_path_a_pattern(tmp_path, monkeypatch):
    (tmp_path / "mine [v2]" / "workspace").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine [v2]")
    result = CliRunner().invoke(main, ["distill", "1"])
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith(f"iadb: --workspace {tmp_path}/mine [v2]/workspace: * ? [")


def test_a_workspace_that_was_moved_to_a_path_like_a_pattern_can_be_read(tmp_path):
    folder = tmp_path / "backup [v2]"
    folder.mkdir()
    Recorded(folder / "metadata.sqlite", folder / "artifacts").run()
    result = CliRunner().invoke(main, ["models", "--workspace", str(folder), "--json"])
    assert [model["number"] for model in json.loads(result.output)]
