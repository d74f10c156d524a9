import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack

import pytest
from click.testing import CliRunner
from dashboard_story import HOSTILE, record_everything
from starlette.testclient import TestClient

from pipeline.addresses import names_of
from pipeline.cli import main
from pipeline.monitoring import prometheus
from pipeline.monitoring.dashboard.write import write
from pipeline.registry.journal import Outcome
from pipeline.serve.dashboard import routes
from pipeline.serve.http import Access, make_app
from pipeline.workspace import Workspace
from tests.ports import reserved_port
from tests.running_server import RunningServer
from trainer.names import METADATA


def client_of(workspace, names=None):
    return TestClient(make_app(routes(workspace), Access(None, names)), "http://127.0.0.1")


@pytest.fixture
def client(story):
    record_everything(story, HOSTILE)
    return client_of(story.workspace, ["127.0.0.1", "localhost"])


def test_every_page_is_served_with_the_policy_it_states(story, client):
    site = story.site()
    for path in site.paths():
        response = client.get(f"/{path}")
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        assert policy == f"{site.page(path).policy}; frame-ancestors 'none'"
    assert b"<title>Overview" in client.get("/").content


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


@pytest.fixture(params=["link", "linked folder", "pipe"])
def replaced(request, story, tmp_path):
    """A workspace in which someone has replaced the files of an evaluation."""
    run, _ = story.run()
    story.write_evaluation(run)
    story.write_rejected(run, [["a.png", "empty"]])
    secret = tmp_path / "secret"
    secret.mkdir()
    for folder in (
        story.workspace.artifacts / "SampleEvaluator" / "evaluation" / run,
        story.workspace.artifacts / "ImageExampleGen" / "examples" / run,
    ):
        for file in list(folder.iterdir()):
            file.rename(secret / file.name)
            if request.param == "link":
                file.symlink_to(secret / file.name)
            elif request.param == "pipe":
                os.mkfifo(file)
        if request.param == "linked folder":
            folder.rmdir()
            folder.symlink_to(secret)
    return story


def test_a_file_that_someone_replaced_is_neither_served_nor_written(replaced, tmp_path):
    app = client_of(replaced.workspace)
    site = replaced.site()
    assert not [path for path in site.paths() if path.startswith("reports/")]
    for path in site.paths():
        page = app.get(f"/{path}")
        assert page.status_code == 200
        assert b"image/png" not in page.content
        assert b"a.png" not in page.content
    write(site, tmp_path / "pages")
    assert not (tmp_path / "pages" / "reports").exists()


def test_a_report_that_is_replaced_while_pages_are_served_is_no_longer_there(story, tmp_path):
    run, _ = story.run()
    story.write_evaluation(run)
    site = story.site()
    [path] = [path for path in site.paths() if path.startswith("reports/")]
    report = story.workspace.artifacts / "SampleEvaluator" / "evaluation" / run / "report.html"
    report.unlink()
    report.symlink_to("/etc/passwd")
    assert site.page(path) is None
    assert write(site, tmp_path / "pages") == len(site.paths()) - 1


def test_a_pipe_in_a_version_blocks_neither_pages_nor_metrics(story, client):
    _, number = story.run()
    version = story.recorded.push(number, story.workspace.serving)
    notes = story.workspace.serving / str(version) / METADATA
    notes.unlink()
    os.mkfifo(notes)
    assert client.get("/metrics").status_code == 200
    assert f"Version {version} is live" in client.get("/").text


@pytest.fixture
def port(story):
    """A dashboard in a process of its own, and the port of loopback that it serves."""
    with reserved_port() as port:
        command = [sys.executable, "-m", "pipeline.cli", "dashboard", "--port", str(port)]
        command += ["--workspace", str(story.workspace.folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == f"http://localhost:{port} until Ctrl-C\n"
        yield port
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0


def test_the_server_of_a_model_has_the_same_pages_in_a_folder(story):
    run, number = story.run()
    story.write_evaluation(run)
    with RunningServer(story.workspace.serving, workspace=story.workspace) as server:
        for path in story.site().paths():
            status, headers, _ = server.ask(f"/dashboard/{path}")
            policy = f"{story.site().page(path).policy}; frame-ancestors 'none'"
            assert (status, headers["Content-Security-Policy"]) == (200, policy)
        assert f"Model {number}".encode() in server.ask(f"/dashboard/models/{number}.html")[2]
        assert server.ask("/dashboard/metrics")[2] == prometheus.text(story.workspace)
        assert server.ask("/dashboard/nothing")[0] == 404
    with RunningServer(story.workspace.serving, "secret", workspace=story.workspace) as server:
        assert server.ask("/dashboard/")[0] == 401
    with RunningServer(story.workspace.serving) as server:
        assert server.ask("/dashboard/")[0] == 404


def test_half_open_connections_do_not_keep_others_from_an_answer(port):
    def ask():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            assert b"<title>Overview" in answer.read()

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ask()  # for the first one, the page is rendered
    with ExitStack() as stack:
        for i in range(1200):
            connection = socket.create_connection(("127.0.0.1", port))
            stack.enter_context(connection)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"[: i % 40])
        begun = time.monotonic()
        ask()
        assert time.monotonic() - begun < 3


def test_prometheus_gets_the_same_as_from_the_text_file(story, client):
    response = client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content == prometheus.text(story.workspace)


def test_only_reading_is_allowed(client):
    assert client.head("/").status_code == 200
    for method in ("post", "put", "delete", "patch", "options"):
        assert getattr(client, method)("/").status_code == 405


def test_on_loopback_another_host_name_is_rejected(story, client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    for name in ("localhost:8030", "127.0.0.1:8030"):
        assert client.get("/", headers={"Host": name}).status_code == 200
    for host in ("::1", "localhost"):
        client = client_of(story.workspace, names_of(host))
        for name in ("[::1]:8030", "127.0.0.1:8030", "localhost"):
            assert client.get("/", headers={"Host": name}).status_code == 200
        assert client.get("/", headers={"Host": "[::2]:8030"}).status_code == 400
    shared = client_of(story.workspace)
    assert shared.get("/", headers={"Host": "pages.example"}).status_code == 200


def test_a_change_of_the_workspace_is_seen_at_once(story, client):
    assert b"a new disk is needed" not in client.get("/").content
    story.attempt(9, Outcome.FAILED, "a new disk is needed")
    assert b"a new disk is needed" in client.get("/").content


def test_serving_neither_creates_nor_changes_a_workspace(tmp_path):
    client = client_of(Workspace(tmp_path / "new"))
    assert b"Nothing has happened yet" in client.get("/").content
    assert not (tmp_path / "new").exists()


def test_a_port_in_use_is_reported_in_one_line(story):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(
            main, ["dashboard", "--workspace", str(story.workspace.folder), "--port", str(port)]
        )
    assert result.exit_code == 2
    assert f"cannot serve on 127.0.0.1, port {port}: Address already in use" in result.output
