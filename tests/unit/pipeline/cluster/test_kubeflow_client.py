import socket
import threading

import pytest
import urllib3
from kfp_stand_in import KfpStandIn

from pipeline.cluster import client
from pipeline.cluster.access import Access, AccessError
from pipeline.cluster.client import Cluster, ClusterError
from pipeline.config.pipeline_config import load

PARAMETERS = {"steps": 2000, "data_folder": "/data"}
NIGHTLY = "0 0 3 * * *"
HTML = (200, "text/html", b"<html>Log in</html>")


@pytest.fixture
def cluster(stand_in):
    return Cluster(Access(stand_in.url))


@pytest.fixture
def config():
    return load("digits", overrides=["kubeflow.service_account=trainer"])


@pytest.fixture
def run_id(cluster, config, package):
    return cluster.start(config, package.path, PARAMETERS)


@pytest.fixture
def schedule(config, package):
    def create(cluster, cron=NIGHTLY, name="nightly"):
        return cluster.schedule(config, package.path, PARAMETERS, name, cron)

    return create


def crons(stand_in):
    found = stand_in.recurring_runs.values()
    return [run["trigger"]["cron_schedule"]["cron"] for run in found]


# The stand-in itself


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


def test_a_multi_user_cluster_requires_a_namespace(stand_in, config, package, schedule):
    stand_in.namespaces = ("mine",)
    with pytest.raises(AccessError, match="--namespace"):
        Cluster(Access(stand_in.url))
    cluster = Cluster(Access(stand_in.url, "mine"))
    cluster.start(config, package.path, PARAMETERS)
    assert (schedule(cluster), schedule(cluster)) == (0, 1)
    with pytest.raises(ClusterError, match=r"forbids this in namespace other .*not authorized"):
        Cluster(Access(stand_in.url, "other")).start(config, package.path, PARAMETERS)


def test_a_token_is_sent_and_a_wrong_one_reported(stand_in):
    stand_in.token = "right"
    assert Cluster(Access(stand_in.url, token="right")).unschedule("digits", "nightly") == 0
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
    assert cluster.unschedule("digits", "nightly") == 0
    file.write_text("two\nlines\n")
    with pytest.raises(AccessError, match="--token-file") as caught:
        cluster.unschedule("digits", "nightly")
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
    monkeypatch.setattr(client, "TIMEOUT", (5, 0.1))
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


def test_a_closed_connection_is_reported(cluster, stand_in):
    stand_in.faults["experiment_service_list_experiments"] = [None]
    with pytest.raises(ClusterError, match="Remote end closed connection"):
        cluster.unschedule("digits", "nightly")


# Runs


def test_a_run_has_its_parameters_package_and_service_account(stand_in, run_id):
    run = stand_in.runs[run_id]
    assert run["runtime_config"] == {"parameters": PARAMETERS}
    assert run["service_account"] == "trainer"
    assert run["display_name"].startswith("digits 20")
    assert run["pipeline_spec"].keys() == {"pipeline_spec", "platform_spec"}
    assert stand_in.experiments[run["experiment_id"]]["display_name"] == "digits"


def test_runs_of_a_pipeline_share_an_experiment(cluster, stand_in, config, package):
    for _ in range(2):
        cluster.start(config, package.path, PARAMETERS)
    assert len(stand_in.experiments) == 1


def test_a_run_is_followed_to_its_end(cluster, stand_in, run_id):
    looks = []
    for run in cluster.follow(run_id):
        looks.append(run.state)
        if len(looks) == 3:
            stand_in.end_run(run_id, "CANCELED")
    assert looks == ["PENDING", "PENDING", "PENDING", "CANCELED"]


@pytest.mark.parametrize("fault", [(503, "text/plain", b"upgrading"), None])
def test_following_waits_for_a_cluster_that_is_down_for_a_while(cluster, stand_in, run_id, fault):
    stand_in.end_run(run_id, "SUCCEEDED")
    stand_in.faults["run_service_get_run"] = [fault] * 9
    assert [run.state for run in cluster.follow(run_id)] == ["SUCCEEDED"]


def test_a_cluster_that_stays_down_ends_following_at_a_deadline(
    cluster, stand_in, run_id, monkeypatch
):
    monkeypatch.setattr(client, "LOST_SECONDS", 0.5)
    monkeypatch.setattr(client, "POLL_SECONDS", 0.3)
    stand_in.faults["run_service_get_run"] = [(503, "text/plain", b"")] * 100
    with pytest.raises(ClusterError, match=f"503.*; run {run_id} may continue: see its page"):
        list(cluster.follow(run_id))
    assert stand_in.called.count("run_service_get_run") < 4


def test_an_expired_token_ends_following(stand_in, config, package):
    stand_in.token = "old"
    cluster = Cluster(Access(stand_in.url, token="old"))
    run_id = cluster.start(config, package.path, PARAMETERS)
    stand_in.token = "new"
    with pytest.raises(ClusterError, match="rejects the token"):
        list(cluster.follow(run_id))


# Schedules


def test_a_schedule_runs_one_at_a_time_without_catching_up(cluster, stand_in, schedule):
    assert schedule(cluster) == 0
    (made,) = stand_in.recurring_runs.values()
    assert (made["mode"], made["max_concurrency"], made["no_catchup"]) == ("ENABLE", 1, True)
    assert made["runtime_config"] == {"parameters": PARAMETERS}
    assert made["service_account"] == "trainer"
    assert made["display_name"] == "nightly"
    assert crons(stand_in) == [NIGHTLY]


def test_a_schedule_replaces_all_with_its_name_and_no_other(cluster, stand_in, schedule):
    schedule(cluster)
    (old,) = stand_in.recurring_runs.values()
    for name in ("nightly", "nightly", "weekly"):
        copy = {key: old[key] for key in old if key != "recurring_run_id"} | {"display_name": name}
        stand_in._add(stand_in.recurring_runs, "recurring_run_id", copy)
    assert schedule(cluster, "0 30 4 * * *") == 3
    assert sorted(crons(stand_in)) == [NIGHTLY, "0 30 4 * * *"]


def test_a_schedule_that_cannot_be_created_leaves_the_old_one(cluster, stand_in, schedule):
    schedule(cluster)
    with pytest.raises(ClusterError, match="cron"):
        schedule(cluster, "CRON_TZ=Europe/Berlin 0 0 3 * * *")
    assert crons(stand_in) == [NIGHTLY]


@pytest.mark.parametrize("fault", [(500, "text/plain", b""), None])
def test_a_failure_while_replacing_leaves_a_schedule_and_is_reported(
    cluster, stand_in, schedule, fault
):
    schedule(cluster)
    stand_in.faults["recurring_run_service_delete_recurring_run"] = [fault]
    with pytest.raises(ClusterError, match="but an older one may still start runs"):
        schedule(cluster, "0 30 4 * * *")
    assert schedule(cluster, "0 0 5 * * *") == 2
    assert crons(stand_in) == ["0 0 5 * * *"]


def test_a_schedule_is_deleted_by_name(cluster, stand_in, schedule):
    schedule(cluster)
    assert cluster.unschedule("digits", "weekly") == 0
    assert cluster.unschedule("emoji", "nightly") == 0
    assert cluster.unschedule("digits", "nightly") == 1
    assert stand_in.recurring_runs == {}
