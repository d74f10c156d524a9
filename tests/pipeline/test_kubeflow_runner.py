"""Another TFX pipeline, compiled for Kubeflow and run task by task against PostgreSQL."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import Float

from pipeline.metadata.database import Database, variable
from pipeline.runners.kubeflow import node as kubeflow_node
from pipeline.runners.kubeflow.options import KubeflowOptions, NodeOptions
from pipeline.runners.kubeflow.package import Shown, write_package
from tests.kubeflow_cluster import InProcessCluster, ProcessCluster, TaskPackage
from tests.pipeline import census
from tests.postgres import Postgres
from trainer.common import exit_codes

REPOSITORY = str(Path(__file__).parents[2])


class Place:
    """A cluster with the small pipeline's package and data."""

    def __init__(self, folder, kind, postgres):
        self.folder, self.postgres = folder, postgres
        self.runs = []
        self.use(kind)
        options = KubeflowOptions(
            image="image",
            metadata_secret="census",
            default=NodeOptions(env={"PYTHONPATH": REPOSITORY}),
        )
        pipeline = census.create(folder / "artifacts", folder / "data")
        write_package(pipeline, options, folder / "census.yaml", {"Count": Shown("total", "")})
        self.package = TaskPackage(folder / "census.yaml")

    def use(self, kind):
        self.cluster = kind(self.folder, {"census": self.postgres.secret})

    def run_first_tasks(self, run_id, **parameters):
        """Runs the two that wait for nothing at once, then another."""
        roots = {
            name: self.cluster.start_task(self.package, name, run_id, **parameters)
            for name in ("CsvExampleGen", "Before")
        }
        done = {
            name: self.cluster.end_task(name, run_id, process) for name, process in roots.items()
        }
        return done | {"Count": self.cluster.run_task(self.package, "Count", run_id, **parameters)}

    def add_span(self, number):
        span = self.folder / "data" / f"span-{number}"
        span.mkdir(parents=True)
        (span / "people.csv").write_text("age,name\n37,A\n40,B\n")


@pytest.fixture(
    scope="module", params=[InProcessCluster, pytest.param(ProcessCluster, marks=pytest.mark.slow)]
)
def place(request, tmp_path_factory):
    """A cluster, a package and the results of two runs; a span was added after the first.

    The first tasks of the first may have processes of their own.
    """
    with Postgres.running() as postgres:
        place = Place(tmp_path_factory.mktemp("census"), request.param, postgres)
        place.add_span(1)
        before = {}
        if request.param is ProcessCluster:
            before = place.run_first_tasks("first", weight=2)
            place.use(InProcessCluster)
        place.runs.append(place.cluster.run(place.package, "first", before, weight=2))
        place.add_span(2)
        place.runs.append(place.cluster.run(place.package, "second", weight=census.LARGE))
        # As if Kubeflow lost a pod after its end.
        place.again = place.cluster.run_task(place.package, "Before", "second", weight=1)
        yield place


def endings(done):
    return {name: task.text.strip().splitlines()[-1] for name, task in done.items()}


def test_all_tasks_succeed_on_an_empty_database(place):
    first = place.runs[0]
    assert not place.package.upstream["CsvExampleGen"]
    assert not place.package.upstream["Before"]
    assert not {name: task.text for name, task in first.items() if task.code}
    assert set(first) == set(place.package.tasks)


def test_a_resolver_finds_the_artifacts_of_the_previous_run(place):
    first, second = map(endings, place.runs)
    assert first["Before"] == "Before: nothing found"
    assert second["Before"] == "Before: complete"


def test_the_latest_span_is_read_and_compared_with_the_previous_one(place):
    reports = sorted((place.folder / "artifacts" / "Compare" / "report").glob("*/value"))
    assert [path.read_text() for path in reports] == ["1 after nothing", "2 after 1"]


def test_a_node_is_skipped_while_its_condition_is_false(place):
    first, second = map(endings, place.runs)
    assert first["Celebrate"] == "Celebrate: skipped, since its condition is false"
    assert second["Celebrate"] == "Celebrate: complete"


def test_nodes_downstream_of_a_skipped_node_are_skipped(place):
    first, second = map(endings, place.runs)
    assert first["CleanUp"] == "CleanUp: skipped, since Celebrate was skipped"
    assert second["CleanUp"] == "CleanUp: complete"


def test_a_retried_resolver_does_not_resolve_again(place):
    assert place.again.text.strip().splitlines()[-1] == "Before: complete, by an earlier attempt"


def test_a_runtime_parameter_may_contain_any_text(place):
    shown = place.runs[0]["Count"]
    assert shown.report == "4"  # two files, of two splits, times the weight
    assert shown.metrics == {"files": 2.0}
    totals = sorted((place.folder / "artifacts" / "Count" / "total").glob("*/value"))
    assert [path.read_text() for path in totals] == ["4", str(2 * census.LARGE)]
    assert place.package.inputs()["a_note"]["defaultValue"] == census.NOTE


def test_the_database_returns_backslashes_unchanged(place, monkeypatch):
    for key, value in place.cluster.secrets["census"].items():
        monkeypatch.setenv(variable(key), value)
    store = Database.of_url().connect()
    notes = {
        artifact.custom_properties["note"].string_value
        for artifact in store.get_artifacts_by_type("Integer")
    }
    ids = [artifact.id for artifact in store.get_artifacts()]
    assert notes == {census.NOTE}
    assert ids == sorted(ids)


def test_no_credential_is_in_the_package_or_in_what_tasks_write(place):
    password = place.cluster.secrets["census"]["password"]
    assert password not in place.package.text
    for done in place.runs:
        assert not any(password in task.text for task in done.values())


MAKE_TYPES = """
import sys
from ml_metadata.proto import metadata_store_pb2 as mlmd
from pipeline.metadata.database import Database
store = Database.of_url().connect()
sys.stdin.readline()  # all start together
for number in range(40):
    store.put_artifact_type(mlmd.ArtifactType(name=f"type {number}"))
"""


def test_processes_that_create_types_concurrently_create_each_once(postgres):
    names = {variable(key): value for key, value in postgres.secret.items()}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE_TYPES], env={**os.environ, **names}, stdin=subprocess.PIPE
        )
        for _ in range(3)
    ]
    time.sleep(1)
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0, 0]
    with psycopg.connect(**postgres.connection) as connection:
        made = connection.execute(
            "SELECT count(*), count(DISTINCT name) FROM type WHERE name LIKE 'type %'"
        ).fetchone()
    assert made == (40, 40)


@pytest.mark.parametrize("password", ["a b", "back\\slash", "quo'te", "a' host=evil", '"', "ü%20="])
def test_a_password_may_contain_any_text(postgres, monkeypatch, password):
    with psycopg.connect(**postgres.connection, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS odd"))
        connection.execute(
            sql.SQL("CREATE ROLE odd SUPERUSER LOGIN PASSWORD {}").format(sql.Literal(password))
        )
    secret = postgres.secret | {"user": "odd", "password": password}
    for key, value in secret.items():
        monkeypatch.setenv(variable(key), value)
    assert Database.of_url().connect().get_artifacts() is not None


class Direct:
    """Runs a task's entry point in this process, with the environment of a cluster."""

    def __init__(self, place, monkeypatch, capfd):
        self.monkeypatch, self.capfd = monkeypatch, capfd
        self.package = place.package
        self.secret = dict(place.cluster.secrets["census"])

    def __call__(self, node, *more):
        for key, value in self.secret.items():
            self.monkeypatch.setenv(variable(key), value)
        known = node if node in self.package.tasks else "Count"
        args = self.package.container(known)["args"]
        ir = args[args.index("--ir") + 1]
        code = kubeflow_node.main(["--node", node, "--run-id", "direct", "--ir", ir, *more])
        return code, self.capfd.readouterr().err.strip().splitlines()[-1]


@pytest.fixture
def direct(place, monkeypatch, capfd):
    return Direct(place, monkeypatch, capfd)


WEIGHT = ("--parameter", "weight", "3")


def test_wrong_credentials_are_reported_in_one_line_without_them(direct):
    direct.secret["password"] = "not-it"
    code, line = direct("Count", *WEIGHT)
    assert code == exit_codes.CLUSTER
    assert line.startswith("Count: no metadata database metadata on 127.0.0.1:")
    assert 'password authentication failed for user "tfx"' in line
    assert "not-it" not in line


def test_an_unreachable_database_is_reported_in_one_line(direct, monkeypatch):
    monkeypatch.setattr(kubeflow_node, "PATIENCE_SECONDS", 0)
    direct.secret["port"] = "1"
    code, line = direct("Count", *WEIGHT)
    assert code == exit_codes.CLUSTER
    assert "Connection refused" in line


def test_a_missing_secret_is_reported_in_one_line(direct, monkeypatch):
    del direct.secret["password"]
    monkeypatch.delenv(variable("password"), raising=False)
    code, line = direct("Count", *WEIGHT)
    assert code == exit_codes.CLUSTER
    assert line.startswith("Count: TFX_METADATA_PASSWORD not set; should come from the Secret")


def test_an_unknown_node_is_reported_in_one_line(direct):
    assert direct("Tally") == (
        exit_codes.USAGE,
        "Tally: not in the pipeline of --ir, which has Count",
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--parameter", "height", "3"), "no runtime parameter height; there are "),
        (("--parameter", "weight", "heavy"), "weight='heavy': expected int"),
        (("--parameter", "weight", "2.5"), "weight='2.5': expected int"),
        ((), "no value for weight"),
    ],
)
def test_a_wrong_parameter_is_reported_in_one_line(direct, more, message):
    code, line = direct("Count", *more)
    assert code == exit_codes.USAGE
    assert message in line


def test_a_run_without_an_id_is_rejected(direct):
    code, line = direct("Count", *WEIGHT, "--run-id", "{{$.pipeline_job_uuid}}")
    assert code == exit_codes.USAGE
    assert "Kubeflow did not substitute the placeholder" in line


def test_a_component_fails_if_its_resolver_finds_nothing(direct, tmp_path):
    nothing = Resolver(strategy_class=LatestArtifactStrategy, party=Channel(type=Float)).with_id(
        "Nothing"
    )
    node = census.double(number=nothing.outputs["party"]).with_id("Double")
    pipeline = Pipeline("lonely", str(tmp_path), components=[nothing, node])
    options = KubeflowOptions(image="image", metadata_secret="census")
    write_package(pipeline, options, tmp_path / "lonely.yaml")
    direct.package = TaskPackage(tmp_path / "lonely.yaml")
    assert direct("Nothing")[0] == 0
    code, line = direct("Double")
    assert code == exit_codes.UNEXPECTED
    assert line == "Double: NodeError: its inputs could not be resolved; see the log above"


@pytest.mark.parametrize("text", ["3", "3.0", "3e0"])
def test_numbers_are_read_as_kubeflow_writes_them(place, text):
    args = place.package.container("Count")["args"]
    ir = args[args.index("--ir") + 1]
    node = kubeflow_node.read_node(ir, "Count", "run", [("weight", text)]).nodes[0].pipeline_node
    assert node.parameters.parameters["weight"].field_value.int_value == 3
    assert json.loads(ir)["nodes"][0]["pipelineNode"]["nodeInfo"]["id"] == "Count"
