"""`iadb serve` as a process."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.serve import server
from pipeline.serve.errors import RequestError
from pipeline.workspace import Workspace
from trainer.common import exit_codes

PATIENCE = 180


def serve(*options, **environment):
    command = CliRunner(env={"IADB_SERVE_TOKEN": None, **environment})
    return command.invoke(main, ["serve", *map(str, options)])


@pytest.fixture
def workspace(tmp_path, sampler):
    (tmp_path / "serving").mkdir()
    shutil.copytree(sampler, tmp_path / "serving" / "7")
    return tmp_path


@contextlib.contextmanager
def running(workspace):
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "serve", "--port", "0", "--workspace", workspace],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def port_of(process):
    return int(re.fullmatch(r"http://localhost:(\d+) until Ctrl-C\n", process.stdout.readline())[1])


@pytest.mark.slow
def test_a_request_in_progress_is_answered_before_the_end(workspace):
    with running(workspace) as process:
        port = port_of(process)
        assert process.stdout.readline().startswith("version 7 is live, loaded in ")
        body = {"signature_name": "generate", "inputs": {"seed": [0] * 16, "nb_step": 1000}}
        answers, sent = [], threading.Event()

        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("POST", "/v1/models/iadb:predict", json.dumps(body))
            sent.set()
            answers.append(connection.getresponse().status)

        log = workspace / "logs" / "serve" / f"access-{port}.log"
        log.unlink()  # as `iadb clean` may do
        client = threading.Thread(target=ask)
        client.start()
        assert sent.wait(PATIENCE)
        # The server has read the request when it answers one that came later.
        later = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(later):
            later.request("GET", "/healthz")
            assert later.getresponse().status == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
        client.join()
        assert (process.returncode, output, answers) == (0, "", [200])
    line = r"POST /v1/models/iadb:predict 200 [\d.]+ ms 7 generate 16x1000\n"
    assert re.search(line, log.read_text())


def test_an_empty_token_is_none(workspace, monkeypatch):
    found = []
    monkeypatch.setattr(server, "serve", lambda options, say: found.append(options.token))
    assert serve("--workspace", workspace, IADB_SERVE_TOKEN="").exit_code == 0
    assert found == [None]


def test_an_occupied_port_is_one_line(workspace):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = serve("--workspace", workspace, "--port", taken.getsockname()[1])
    assert result.exit_code == exit_codes.USAGE
    assert "Address already in use; choose others with --host and --port" in result.output
    assert result.output.count("\n") == 1


def test_a_token_that_can_be_guessed_is_rejected(workspace):
    result = serve("--workspace", workspace, IADB_SERVE_TOKEN="a" * 15)
    assert (result.exit_code, result.output.count("expected 16 or more")) == (2, 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--workspace", "nowhere"], "no such folder"),
        (["--workspace", "nowhere", "--model", "nowhere"], "not a model that `iadb run` pushed"),
        (["--host", "0.0.0.0"], "set IADB_SERVE_TOKEN"),
        (["--host", "no.such.host.invalid", "--workspace", "."], "set IADB_SERVE_TOKEN"),
        (["--name", "a/b"], "expected up to 64 letters"),
        (["--deadline", "nan"], "nan is not a finite number"),
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    result = serve(*options)
    assert result.exit_code == exit_codes.USAGE
    assert text in result.output.replace("\n", " ")


def test_a_workspace_of_rejected_models_is_served_with_what_makes_one_live(tmp_path):
    model = tmp_path / "artifacts" / "Trainer" / "model" / "9" / "Format-Serving"
    model.mkdir(parents=True)
    options = server.ServeOptions(Workspace(tmp_path), None, "iadb", "localhost", 0, None, 1.0)
    live = server._live(options, print)
    with pytest.raises(RequestError, match=r"no model was pushed yet$"):
        live.version()
    (model / "saved_model.pb").touch()
    with pytest.raises(RequestError, match="`iadb promote` makes one live"):
        live.version()


def test_a_model_that_does_not_load_is_one_line(workspace):
    (workspace / "serving" / "7" / "saved_model.pb").write_bytes(b"damaged")
    result = serve("--workspace", workspace, "--model", workspace / "serving" / "7", "--port", 0)
    assert result.exit_code == exit_codes.DATA
    assert "7 does not load: " in result.output
    assert result.output.count("\n") == 1
