import socket
import threading

import kfp
import kfp_server_api
import pytest
import urllib3
from kfp_stand_in import KfpStandIn

from pipeline.cluster import client, connection
from pipeline.cluster.access import Access, AccessError
from pipeline.cluster.client import Cluster
from pipeline.cluster.connection import ClusterError
from pipeline.cluster.package import read_package

PARAMETERS = {"steps": 2000, "data_folder": "/data"}
NIGHTLY = "0 0 3 * * *"
HTML = (200, "text/html", b"<html>Log in</html>")


@pytest.fixture
def cluster(stand_in):
    return Cluster(Access(stand_in.url))


@pytest.fixture
def version(cluster, package):
    return cluster.upload(package, "digits")


def schedule(cluster, version, cron=NIGHTLY):
    return cluster.schedule(version, "nightly", cron, PARAMETERS, "iadb")


def crons(stand_in):
    found = stand_in.recurring_runs.values()
    return [run["trigger"]["cron_schedule"]["cron"] for run in found]


# The stand-in itself


def test_the_stand_in_serves_kfps_own_client(stand_in, package_file):
    stand_in.page_size = 2
    client = kfp.Client(stand_in.url)
    assert client.get_kfp_healthz().multi_user is False
    experiment = client.create_experiment("e")
    assert client.create_experiment("e").experiment_id == experiment.experiment_id
    pipeline = client.pipelines.pipeline_service_create_pipeline(
        pipeline=kfp_server_api.V2beta1Pipeline(display_name="p")
    )
    made = client.upload_pipeline_version(str(package_file), "v", pipeline_name="p")
    work = (experiment.experiment_id, "j")
    version = {"pipeline_id": pipeline.pipeline_id, "version_id": made.pipeline_version_id}
    for _ in range(3):
        client.run_pipeline(*work, params=PARAMETERS, **version)
    client.create_recurring_run(
        *work, params=PARAMETERS, cron_expression=NIGHTLY, no_catchup=True, **version
    )
    page = client.list_runs(page_size=50)
    assert (len(page.runs), page.total_size) == (2, 3)
    assert len(client.list_runs(page_token=page.next_page_token).runs) == 1
    (job,) = client.list_recurring_runs().recurring_runs
    assert job.no_catchup


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/apis/v1beta1/healthz", None),
        ("PATCH", "/apis/v2beta1/runs", None),
        ("GET", "/apis/v2beta1/runs?page_sise=3", None),
        ("POST", "/apis/v2beta1/runs", {"name": "v1beta1 called it so"}),
        ("POST", "/apis/v2beta1/runs", {"display_name": 7}),
        ("POST", "/apis/v2beta1/runs", {"runtime_config": {"parameters": [1]}}),
        ("POST", "/apis/v2beta1/recurringruns", {"mode": "ENABLED"}),
        ("POST", "/apis/v2beta1/recurringruns", {"trigger": {"cron_schedule": {"cron": 3}}}),
    ],
)
def test_the_stand_in_refuses_what_kfp_does_not_know(method, path, body):
    server = KfpStandIn()
    try:
        answer = urllib3.request(method, server.url + path, json=body)
        assert answer.status == 400
        assert len(server.wrong_requests) == 1
    finally:
        server.close()


# Connecting


def test_a_multi_user_cluster_requires_a_namespace(stand_in, package):
    stand_in.namespaces = ("mine",)
    with pytest.raises(AccessError, match="--namespace"):
        Cluster(Access(stand_in.url))
    cluster = Cluster(Access(stand_in.url, "mine"))
    version = cluster.upload(package, "digits")
    schedule(cluster, version)
    cluster.start(version, PARAMETERS, "iadb")
    assert len(cluster.runs(10)) == len(cluster.schedules()) == 1
    with pytest.raises(ClusterError, match=r"forbids this in namespace other .*not authorized"):
        Cluster(Access(stand_in.url, "other")).upload(package, "digits")


def test_a_token_is_sent_and_a_wrong_one_reported(stand_in):
    stand_in.token = "right"
    assert Cluster(Access(stand_in.url, token="right")).runs(10) == []
    with pytest.raises(ClusterError, match="rejects the token") as caught:
        Cluster(Access(stand_in.url, token="wrong"))
    assert "wrong" not in str(caught.value)
    with pytest.raises(ClusterError, match="IADB_KFP_TOKEN"):
        Cluster(Access(stand_in.url))


def test_a_token_file_is_read_anew_for_each_request(stand_in, tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    stand_in.token = "first"
    cluster = Cluster(Access(stand_in.url, token="unused", token_file=file))
    file.write_text("second\n")
    stand_in.token = "second"
    assert cluster.runs(10) == []
    file.write_text("two\nlines\n")
    with pytest.raises(AccessError, match="--token-file") as caught:
        cluster.runs(10)
    assert "lines" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        (404, "text/html", b"<html>"),
        (404, "application/json", b'{"code": 5, "message": "Not Found"}'),
        (200, "application/json", b"[]"),
    ],
)
def test_an_api_other_than_kfp_2_is_reported(stand_in, answer):
    stand_in.faults["healthz_service_get_healthz"] = [answer]
    with pytest.raises(ClusterError, match="does not answer like KFP 2"):
        Cluster(Access(stand_in.url))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, "application/octet-stream", b"\xff\xfe"), r"\(500 Internal Server Error\)$"),
        (
            (503, "text/html", b"<html>\nmany\nlines"),
            r"rejects .* \(503 Service Unavailable\)$",
        ),
        ((400, "application/json", b'{"error_message": "a\\n\\u001b[31mb"}'), r": a \[31mb$"),
        ((400, "application/json", b'["list"]'), r"\(400 Bad Request\)$"),
    ],
)
def test_an_error_is_reported_in_one_line(stand_in, answer, message):
    stand_in.faults["healthz_service_get_healthz"] = [answer]
    with pytest.raises(ClusterError, match=message) as caught:
        Cluster(Access(stand_in.url))
    assert str(caught.value).isprintable()


def test_an_endpoint_without_a_listener_is_reported():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ClusterError, match=r"is unreachable: .*Connection refused"):
            Cluster(Access(url))


def test_a_silent_endpoint_times_out(monkeypatch):
    monkeypatch.setattr(connection, "TIMEOUT", (5, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=r"is unreachable: .*Read timed out"):
            Cluster(Access(url))
        silent.settimeout(0)
        silent.accept()
        with pytest.raises(BlockingIOError):  # a second attempt would have connected again
            silent.accept()


def test_a_busy_endpoint_is_not_waited_for_as_long_as_it_asks():
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(busy)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ClusterError, match="503"):
            Cluster(Access(f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_redirect_is_followed(stand_in):
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s/healthz\r\n\r\n"

    def redirect(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(moved % f"{stand_in.url}/apis/v2beta1".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=redirect, args=(server,))
        thread.start()
        Cluster(Access(f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert stand_in.called == ["healthz_service_get_healthz"]


def test_a_closed_connection_is_reported(cluster, stand_in, package):
    stand_in.faults["pipeline_service_create_pipeline"] = [None]
    with pytest.raises(ClusterError, match="Remote end closed connection"):
        cluster.upload(package, "digits")


# Versions


def test_a_package_is_uploaded_once(cluster, stand_in, package):
    first = cluster.upload(package, "digits")
    again = cluster.upload(package, "digits")
    assert (first.uploaded, again.uploaded) == (True, False)
    assert first.name == again.name
    assert first.name.startswith("digits-20")
    assert first.name.endswith(package.digest)
    assert len(stand_in.pipelines) == 1
    assert stand_in.called.count("upload_pipeline_version") == 1


def test_another_package_is_another_version(cluster, stand_in, package, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text(package.path.read_text() + "# changed\n")
    assert cluster.upload(package, "digits").uploaded
    assert cluster.upload(read_package(changed), "digits").uploaded
    assert len(stand_in.pipelines) == 1
    assert len(stand_in.versions) == 2


@pytest.mark.parametrize(
    "operation",
    [
        "pipeline_service_create_pipeline",
        "upload_pipeline_version",
        "experiment_service_create_experiment",
    ],
)
def test_what_somebody_else_creates_in_between_is_used(cluster, stand_in, package, operation):
    stand_in.before[operation] = getattr(stand_in, operation)
    version = cluster.upload(package, "digits")
    cluster.start(version, PARAMETERS, "iadb")
    assert len(stand_in.pipelines) == len(stand_in.versions) == len(stand_in.experiments) == 1
    assert stand_in.called.count(operation) == 1


def test_concurrent_uploads_create_one_pipeline(stand_in, package):
    clusters = [Cluster(Access(stand_in.url)) for _ in range(4)]
    versions = []
    threads = [
        threading.Thread(target=lambda c=c: versions.append(c.upload(package, "digits")))
        for c in clusters
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(versions) == 4
    assert len(stand_in.pipelines) == 1


# Runs


def test_a_run_has_its_parameters_version_and_service_account(cluster, stand_in, version):
    run_id = cluster.start(version, PARAMETERS, "trainer")
    run = stand_in.runs[run_id]
    assert run["runtime_config"] == {"parameters": PARAMETERS}
    assert run["service_account"] == "trainer"
    assert run["pipeline_version_reference"]["pipeline_version_id"] in stand_in.versions
    assert stand_in.experiments[run["experiment_id"]]["display_name"] == "digits"


def test_runs_of_a_pipeline_share_an_experiment(cluster, stand_in, version):
    cluster.start(version, PARAMETERS, "iadb")
    cluster.start(version, PARAMETERS, "iadb")
    assert len(stand_in.experiments) == 1


def test_a_run_is_followed_to_its_end(cluster, stand_in, version):
    run_id = cluster.start(version, PARAMETERS, "iadb")
    looks = []
    for run in cluster.follow(run_id):
        looks.append(run)
        if len(looks) == 3:
            stand_in.end_run(run_id, "FAILED", [("node", "FAILED", "out of\nmemory")])
    assert [run.state for run in looks] == ["PENDING", "PENDING", "PENDING", "FAILED"]
    assert (looks[0].finished, looks[0].tasks) == (None, ())
    (task,) = looks[-1].tasks
    assert (task.name, task.state, task.error) == ("node", "FAILED", "out of memory")
    assert (task.finished - task.started).total_seconds() == 62


@pytest.mark.parametrize("fault", [(503, "text/plain", b"upgrading"), None])
def test_following_waits_for_a_cluster_that_is_down_for_a_while(cluster, stand_in, version, fault):
    run_id = cluster.start(version, PARAMETERS, "iadb")
    stand_in.end_run(run_id, "SUCCEEDED")
    stand_in.faults["run_service_get_run"] = [fault] * 9
    assert [run.state for run in cluster.follow(run_id)] == ["SUCCEEDED"]


def test_only_failures_in_a_row_end_following(cluster, stand_in, version, monkeypatch):
    monkeypatch.setattr(client, "LOST_SECONDS", 3)
    monkeypatch.setattr(client, "POLL_SECONDS", 0.6)
    run_id = cluster.start(version, PARAMETERS, "iadb")
    looks = cluster.follow(run_id)
    for _ in range(3):
        stand_in.faults["run_service_get_run"] = [(503, "text/plain", b"")] * 2
        assert next(looks).state == "PENDING"


def test_a_cluster_that_stays_down_ends_following_at_a_deadline(
    cluster, stand_in, version, monkeypatch
):
    monkeypatch.setattr(client, "LOST_SECONDS", 0.5)
    monkeypatch.setattr(client, "POLL_SECONDS", 0.3)
    run_id = cluster.start(version, PARAMETERS, "iadb")
    stand_in.faults["run_service_get_run"] = [(503, "text/plain", b"")] * 100
    with pytest.raises(ClusterError, match="503"):
        list(cluster.follow(run_id))
    assert stand_in.called.count("run_service_get_run") < 4


def test_an_expired_token_ends_following(stand_in, package):
    stand_in.token = "old"
    cluster = Cluster(Access(stand_in.url, token="old"))
    run_id = cluster.start(cluster.upload(package, "digits"), PARAMETERS, "iadb")
    stand_in.token = "new"
    with pytest.raises(ClusterError, match="rejects the token"):
        list(cluster.follow(run_id))


def test_runs_are_listed_over_pages_the_newest_first(cluster, stand_in, version):
    stand_in.page_size = 2
    ids = [cluster.start(version, PARAMETERS, "iadb") for _ in range(5)]
    assert [run.id for run in cluster.runs(4)] == ids[:0:-1]
    assert len(cluster.runs(100)) == 5


def test_runs_and_schedules_are_listed_by_pipeline(cluster, package):
    for name in ("digits", "emoji"):
        version = cluster.upload(package, name)
        cluster.start(version, PARAMETERS, "iadb")
        schedule(cluster, version)
    (run,) = cluster.runs(10, "emoji")
    assert run.name.startswith("emoji ")
    assert len(cluster.schedules("emoji")) == 1
    assert len(cluster.runs(10)) == len(cluster.schedules()) == 2
    assert cluster.runs(10, "nothing") == cluster.schedules("nothing") == []


# Schedules


def test_a_schedule_runs_one_at_a_time_without_catching_up(cluster, stand_in, version):
    assert schedule(cluster, version) == 0
    (made,) = stand_in.recurring_runs.values()
    assert (made["mode"], made["max_concurrency"], made["no_catchup"]) == ("ENABLE", 1, True)
    assert made["runtime_config"] == {"parameters": PARAMETERS}
    assert made["service_account"] == "iadb"
    (found,) = cluster.schedules()
    assert (found.name, found.cron, found.enabled) == ("nightly", NIGHTLY, True)


def test_a_schedule_replaces_all_with_its_name_and_no_other(cluster, stand_in, version):
    stand_in.page_size = 2
    schedule(cluster, version)
    (old,) = stand_in.recurring_runs.values()
    for name in ("nightly", "nightly", "weekly"):
        copy = {key: old[key] for key in old if key != "recurring_run_id"} | {"display_name": name}
        stand_in._add(stand_in.recurring_runs, "recurring_run_id", copy)
    assert schedule(cluster, version, "0 30 4 * * *") == 3
    assert sorted(crons(stand_in)) == [NIGHTLY, "0 30 4 * * *"]


def test_a_schedule_that_cannot_be_created_leaves_the_old_one(cluster, stand_in, version):
    schedule(cluster, version)
    with pytest.raises(ClusterError, match="cron"):
        schedule(cluster, version, "CRON_TZ=Europe/Berlin 0 0 3 * * *")
    assert crons(stand_in) == [NIGHTLY]


@pytest.mark.parametrize("fault", [(500, "text/plain", b""), None])
@pytest.mark.parametrize("step", ["list_recurring_runs", "delete_recurring_run"])
def test_a_failure_while_replacing_leaves_a_schedule_and_is_reported(
    cluster, stand_in, version, step, fault
):
    schedule(cluster, version)
    stand_in.faults[f"recurring_run_service_{step}"] = [fault] * 9
    with pytest.raises(ClusterError, match="but an older one may still start runs"):
        schedule(cluster, version, "0 30 4 * * *")
    assert "0 30 4 * * *" in crons(stand_in)
    stand_in.faults.clear()
    assert schedule(cluster, version, "0 0 5 * * *") == 2
    assert crons(stand_in) == ["0 0 5 * * *"]


def test_a_schedule_deleted_by_somebody_else_meanwhile_is_not_a_failure(cluster, stand_in, version):
    schedule(cluster, version)
    delete = "recurring_run_service_delete_recurring_run"
    stand_in.before[delete] = getattr(stand_in, delete)
    assert schedule(cluster, version, "0 30 4 * * *") == 1
    assert crons(stand_in) == ["0 30 4 * * *"]


def test_a_schedule_leaves_a_newer_one_of_somebody_else(cluster, stand_in, version):
    create = stand_in.recurring_run_service_create_recurring_run
    newest = "0 30 4 * * *"

    def create_another(content, query):
        (mine,) = stand_in.recurring_runs.values()
        trigger = {"cron_schedule": {"cron": newest}}
        create(
            {key: mine[key] for key in mine if key != "recurring_run_id"} | {"trigger": trigger}, {}
        )

    stand_in.before["recurring_run_service_list_recurring_runs"] = create_another
    assert schedule(cluster, version) == 0
    assert crons(stand_in) == [NIGHTLY, newest]  # and the other call deletes the first


def test_schedules_created_concurrently_leave_one(stand_in, package):
    clusters = [Cluster(Access(stand_in.url)) for _ in range(4)]
    version = clusters[0].upload(package, "digits")
    threads = [threading.Thread(target=schedule, args=(c, version)) for c in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crons(stand_in) == [NIGHTLY]


def test_a_schedule_is_deleted_by_name(cluster, stand_in, version):
    schedule(cluster, version)
    assert cluster.unschedule("digits", "weekly") == 0
    assert cluster.unschedule("emoji", "nightly") == 0
    assert cluster.unschedule("digits", "nightly") == 1
    assert stand_in.recurring_runs == {}
