"""Who may ask, how much, and what the server says about itself."""

import json
import logging
import socket
import threading
import time

import numpy as np
import pytest

from pipeline.addresses import names_of
from pipeline.serve import calls, http, service
from pipeline.workspace import Workspace
from tests.running_server import RunningServer

PREDICT = "/v1/models/iadb:predict"


@pytest.fixture(scope="module")
def guarded(versions):
    """A server that requires a token and is called by one name."""
    with RunningServer(versions, token="secret", names=["127.0.0.1"]) as running:
        running.wait_for(7)
        yield running


def test_requests_without_the_token_are_rejected(guarded):
    given = (None, "Bearer nope", "Bearer s\xe9cret", "secret", "Basic secret", "Bearer")
    for headers in ({"Authorization": each} if each else {} for each in given):
        for path, body in {
            "/v1/models/iadb": None,
            "/metrics": None,
            PREDICT: {"inputs": [5]},
        }.items():
            status, answered, answer = guarded.ask(path, body, headers=headers)
            assert (status, answered["WWW-Authenticate"]) == (401, "Bearer")
            assert "Authorization: Bearer" in answer["error"]
    for scheme in ("Bearer", "bearer"):
        token = {"Authorization": f"{scheme} secret"}
        assert guarded.ask(PREDICT, {"inputs": [5]}, headers=token)[0] == 200


def test_health_and_the_files_of_the_page_need_no_token(guarded):
    for path in ("/healthz", "/readyz", "/", "/playground/playground.js"):
        assert guarded.ask(path)[0] == 200, path
    for path in ("/playground/model", "/playground/noise?seeds=1"):
        assert guarded.ask(path)[0] == 401, path


def test_the_header_host_is_no_way_around_the_token(tmp_path):
    with RunningServer(tmp_path / "serving", token="secret") as server:
        headers = {"Host": "x/healthz?"}
        assert server.ask("/metrics", headers=headers)[0] == 401
        token = {"Authorization": "Bearer secret"}
        error = server.ask("/nope", headers=headers | token)[2]["error"]
        assert error == "Not Found: GET /nope"


@pytest.mark.parametrize("host", ["::1", "0:0:0:0:0:0:0:1", "127.0.0.1", "localhost"])
def test_a_loopback_address_is_a_name_of_this_machine(tmp_path, host):
    asked = "[::1]" if ":" in host else host
    with RunningServer(tmp_path / "serving", names=names_of(host)) as server:
        assert server.ask("/healthz", headers={"Host": f"{asked}:8501"})[0] == 200
        assert server.ask("/healthz", headers={"Host": "[::2]:8501"})[0] == 400


def test_a_server_that_follows_no_pushes_any_more_is_not_healthy(tmp_path):
    with RunningServer(tmp_path / "serving") as server:
        assert server.ask("/healthz")[0] == 200
        server.live.stop()
        assert server.ask("/healthz")[::2] == (503, {"live": False})


def test_a_foreign_name_for_this_machine_is_rejected(guarded):
    status, _, answer = guarded.ask("/healthz", headers={"Host": "foreign.example"})
    assert status == 400
    assert answer["error"].startswith("the header Host names foreign.example; allowed are 127.0")
    assert guarded.ask("/healthz", headers={"Host": "127.0.0.1:"})[0] == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)]
)
def test_other_sites_cannot_occupy_the_server(server, site, status):
    headers = {"Sec-Fetch-Site": site}
    assert server.ask(PREDICT, {"inputs": [5]}, headers=headers)[0] == status


def test_every_answer_is_hardened(server):
    for path, body in {
        "/": None,
        "/nope": None,
        "/metrics": None,
        PREDICT: {"inputs": [5]},
    }.items():
        headers = server.ask(path, body)[1]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers.get("Server") is None


def test_unknown_paths_and_methods_are_errors_in_json(server):
    assert server.ask("/nope%7f")[2] == {"error": "Not Found: GET /nope\\x7f"}
    status, headers, answer = server.ask(PREDICT)
    assert (status, headers["Allow"]) == (405, "POST")
    assert "Method Not Allowed" in answer["error"]
    assert (
        server.ask("/v1/models/other")[2]["error"] == "model other is not served; iadb is (--name)"
    )


def test_the_page_of_a_workspace_whose_records_are_damaged_says_no_verdict(versions, tmp_path):
    (tmp_path / "metadata.sqlite").write_text("no database")
    with RunningServer(versions, workspace=Workspace(tmp_path)) as server:
        server.wait_for(7)
        status, _, about = server.ask("/playground/model")
        assert (status, about["version"], about["verdict"]) == (200, 7, None)
        assert about["links"] == {}


def test_a_large_body_is_rejected(server, monkeypatch):
    monkeypatch.setattr(service, "MAX_BODY", 1000)
    status, _, answer = server.ask(PREDICT, b" " * 1001)
    assert (status, answer["error"]) == (413, "the body may have at most 1,000 bytes")
    assert server.ask(PREDICT, b'{"inputs": [5]}' + b" " * 900)[0] == 200


def test_compressed_bodies_are_rejected(server):
    headers = {"Content-Encoding": "gzip"}
    assert server.ask(PREDICT, b"x", headers=headers)[0] == 415


def test_a_full_queue_answers_with_a_time(server, monkeypatch):
    monkeypatch.setattr(calls, "MAX_WAITING", 0)
    status, headers, answer = server.ask(PREDICT, {"inputs": [5]})
    assert (status, headers["Retry-After"]) == (429, "5")
    assert "try again later" in answer["error"]


@pytest.mark.slow
def test_a_deadline_ends_a_request(versions, monkeypatch):
    with RunningServer(versions, deadline=0.3) as server:
        server.wait_for(7)
        go = threading.Event()
        call = server.live.current.call
        monkeypatch.setattr(server.live.current, "call", lambda *a: go.wait(60) and call(*a))
        for _ in (*["called"] * calls.AT_ONCE, "waiting"):
            status, _, answer = server.ask(PREDICT, {"inputs": [5]})
            assert (status, answer["error"].partition(";")[0]) == (504, "not done within 0.3 s")
        assert server.service._calls.waiting == 0
        server.service._deadline = 60  # a first call may take longer than 0.3 s
        go.set()
        assert server.ask(PREDICT, {"inputs": [5]})[0] == 200


def test_work_for_a_client_that_is_gone_is_dropped(versions, monkeypatch):
    with RunningServer(versions) as server:
        server.wait_for(7)
        go, called = threading.Event(), []
        call = server.live.current.call

        def wait(name, inputs):
            called.append(inputs["seed"].tolist())
            assert go.wait(60)
            return call(name, inputs)

        def until(condition):
            end = time.monotonic() + 60
            while not condition():
                assert time.monotonic() < end
                time.sleep(0.01)

        def send(seed):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            body = json.dumps({"inputs": [seed]})
            head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall((head + body).encode())
            return client

        monkeypatch.setattr(server.live.current, "call", wait)
        with send(5) as stays, send(5) as stays_too:
            until(lambda: len(called) == calls.AT_ONCE)
            gone = send(6)
            until(lambda: server.service._calls.waiting == 1)
            gone.close()
            until(lambda: server.service._calls.waiting == 0)
            go.set()
            for each in (stays, stays_too):
                assert each.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert server.ask(PREDICT, {"inputs": [7]})[0] == 200
        assert called == [[5], [5], [7]]


def test_alphas_beyond_the_path_and_answers_that_are_no_numbers_are_errors(server):
    image = np.full([1, 8, 8, 1], 3.4e38).tolist()
    for signature, inputs, error in (
        ("deblend", {"x_alpha": image, "alpha": [2]}, "alpha: expected 0 to 1"),
        ("transport", {"x0": image, "nb_step": 3}, "x1 is not finite: give inputs of smaller"),
    ):
        body = {"signature_name": signature, "inputs": inputs}
        status, _, answer = server.ask(PREDICT, body)
        assert (status, answer["error"][: len(error)]) == (400, error)


def test_a_divided_request_gets_the_images_of_a_whole_one(server, monkeypatch):
    def ask():
        inputs = {"seed": list(range(8)), "nb_step": 3}
        images = server.ask(PREDICT, {"signature_name": "generate", "inputs": inputs})[2]["outputs"]
        count = "iadb_serve_call_images_count "
        text = server.ask("/metrics")[2].decode()
        calls = next(line for line in text.splitlines() if line.startswith(count))
        return np.array(images), float(calls.removeprefix(count))

    whole, before = ask()
    monkeypatch.setattr(calls, "PART_SECONDS", 0)
    divided, after = ask()
    assert after - before == 8
    assert np.abs(whole - divided).max() <= 1


def test_the_deadline_includes_the_body(versions):
    with RunningServer(versions, deadline=0.3) as server:
        server.wait_for(7)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
            client.sendall(head.encode() + b'{"inputs"')
            assert client.recv(1000).startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("values", [b"[]," * 300_000 + b"[]", b"1," * 2**21 + b"1,1"])
def test_json_that_would_take_much_memory_is_not_read(server, values):
    status, _, answer = server.ask(PREDICT, b'{"inputs":[' + values + b"]}")
    assert status == 413
    assert "at most 2,097,152 values in 300,000 lists; send fewer images" in answer["error"]


def test_an_unexpected_error_is_one_line_and_its_traceback_is_logged(server, monkeypatch, caplog):
    def fail(*arguments):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(http.ACCESS, "propagate", True)
    monkeypatch.setattr(server.live.current, "call", fail)
    status, _, answer = server.ask(PREDICT, {"inputs": [5]})
    assert (status, answer) == (500, {"error": "ZeroDivisionError: of all things"})
    assert any(record.exc_info for record in caplog.records)


def test_the_access_log_has_a_line_for_each_request(server, monkeypatch, caplog):
    monkeypatch.setattr(http.ACCESS, "propagate", True)
    with caplog.at_level(logging.INFO, "iadb.access"):
        server.ask(PREDICT, {"inputs": [5, 6]})
        server.ask("/a%0ab")
        server.ask("*", method="OPTIONS")
        end = time.monotonic() + 60
        marks = ("2x3", " /a\\nb ", " * ")
        while len(lines := [m for m in caplog.messages if any(mark in m for mark in marks)]) < 3:
            assert time.monotonic() < end  # lines are written after the answers
            time.sleep(0.01)
    first, second, third = lines
    assert first.startswith(f"127.0.0.1 POST {PREDICT} 200 ")
    assert first.endswith(" ms 7 serving_default 2x3")
    assert second.startswith("127.0.0.1 GET /a\\nb 404 ")
    assert third.startswith("127.0.0.1 OPTIONS * 404 ")


def test_metrics_count_requests_calls_and_versions(server):
    server.ask(PREDICT, {"inputs": [5]})
    text = server.ask("/metrics")[2].decode()
    assert "\niadb_serve_version 7.0\n" in text
    assert "\niadb_serve_waiting 0.0\n" in text
    for name in (
        'iadb_serve_requests_total{protocol="v1",status="200"}',
        'iadb_serve_call_seconds_count{signature="serving_default"}',
        "iadb_serve_call_images_count",
    ):
        assert f"\n{name} " in text
