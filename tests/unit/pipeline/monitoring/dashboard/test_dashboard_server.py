import socket

import pytest
from click.testing import CliRunner
from dashboard_story import HOSTILE, record_everything

from pipeline.cli import main
from pipeline.monitoring import prometheus
from pipeline.monitoring.dashboard.server import is_loopback, make_app
from pipeline.registry.journal import Outcome
from pipeline.workspace import Workspace


@pytest.fixture
def client(story):
    record_everything(story, HOSTILE)
    return make_app(story.workspace, ["127.0.0.1", "localhost"]).test_client()


def test_every_page_is_served_with_the_policy_it_states(story, client):
    site = story.site()
    for path in site.paths():
        response = client.get(f"/{path}")
        assert response.status_code == 200
        assert response.mimetype == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert policy == f"{site.page(path).policy}; frame-ancestors 'none'"
    assert b"<title>Overview" in client.get("/").data


@pytest.mark.parametrize("path", ["/", "/models/999.html", "/nothing"])
def test_every_answer_is_hardened(client, path):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/models/0.html",
        "/../journal.sqlite",
        "/%2e%2e/journal.sqlite",
        "/reports/..%2f..%2fjournal.sqlite",
        "/.iadb-dashboard",
        "/style.css",
    ],
)
def test_nothing_but_pages_is_served(client, path):
    assert client.get(path).status_code == 404


def test_prometheus_gets_the_same_as_from_the_text_file(story, client):
    response = client.get("/metrics")
    assert response.mimetype == "text/plain"
    assert response.data == prometheus.text(story.workspace)


def test_only_reading_is_allowed(client):
    assert client.head("/").status_code == 200
    for method in ("post", "put", "delete", "patch", "options"):
        assert getattr(client, method)("/").status_code == 405


def test_on_loopback_another_host_name_is_rejected(story, client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    for name in ("localhost:8030", "127.0.0.1:8030"):
        assert client.get("/", headers={"Host": name}).status_code == 200
    shared = make_app(story.workspace, None).test_client()
    assert shared.get("/", headers={"Host": "pages.example"}).status_code == 200


def test_a_change_of_the_workspace_is_seen_at_once(story, client):
    assert b"a new disk is needed" not in client.get("/").data
    story.attempt(9, Outcome.FAILED, "a new disk is needed")
    assert b"a new disk is needed" in client.get("/").data


def test_serving_neither_creates_nor_changes_a_workspace(tmp_path):
    client = make_app(Workspace(tmp_path / "new"), None).test_client()
    assert b"Nothing has happened yet" in client.get("/").data
    assert not (tmp_path / "new").exists()


def test_loopback_is_known_by_address_and_name():
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.7", "pages.example")))


def test_a_port_in_use_is_reported_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(
            main, ["dashboard", "--workspace", str(tmp_path), "--port", str(port)]
        )
    assert result.exit_code == 2
    assert f"cannot serve on 127.0.0.1, port {port}: Address already in use" in result.output
