"""Pushes and rollbacks reach clients, and no request fails on the way."""

import gc
import json
import re
import shutil
import threading
import time
import weakref

import pytest
import tensorflow as tf

from components.atomic_pusher.versions import MODEL_NOTE, publish
from pipeline.serve.errors import RequestError
from pipeline.serve.live import Live, newest
from tests.running_server import PATIENCE, RunningServer
from trainer.names import METADATA
from trainer.ode.options import LimitOptions

BODY = {"inputs": [5]}
PREDICT = "/v1/models/iadb:predict"


class OneColor(tf.Module):
    """Draws images of one color."""

    def __init__(self, color):
        super().__init__()
        self._color = color

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "seed")])
    def draw(self, seed):
        return {"image": tf.fill([tf.size(seed), 8, 8, 1], tf.constant(self._color, tf.uint8))}


@pytest.fixture(scope="module", autouse=True)
def few_objects():
    """A server that waits for a version to be free collects garbage, here among few objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def one_color(tmp_path_factory):
    """Two models that load in an instant."""
    folders, root = [], tmp_path_factory.mktemp("models")
    for name, color in (("black", 0), ("white", 255)):
        model = OneColor(color)
        folders.append(root / name)
        tf.saved_model.save(model, str(folders[-1]), {"serving_default": model.draw})
        (folders[-1] / METADATA).parent.mkdir(exist_ok=True)
        metadata = {"nb_step": 1, "fixed_steps": True, "limits": LimitOptions().model_dump()}
        metadata |= {"config": {}, "conversion": {}}
        (folders[-1] / METADATA).write_text(json.dumps(metadata))
    return folders


def push(model, serving, number=1):
    return int(publish(model, serving, {MODEL_NOTE: number}).name)


def images(server):
    status, _, answer = server.ask(PREDICT, BODY)
    assert status == 200, answer
    return json.dumps(answer["outputs"])


def test_a_push_and_a_rollback_are_served(tmp_path, one_color):
    first = push(one_color[0], tmp_path)
    with RunningServer(tmp_path) as server:
        server.wait_for(first)
        before = images(server)
        second = push(one_color[1], tmp_path)
        server.wait_for(second)
        assert images(server) != before
        back = push(tmp_path / str(first), tmp_path)
        server.wait_for(back)
        assert images(server) == before
        assert [line.partition(",")[0] for line in server.lines] == [
            f"version {number} is live" for number in (first, second, back)
        ]


def test_a_server_of_models_that_are_all_rejected_says_what_makes_one_live(tmp_path):
    live = Live(lambda: None, print, has_trained=lambda: (tmp_path / "trained").exists())
    with pytest.raises(RequestError) as before:
        live.version()
    (tmp_path / "trained").touch()
    with pytest.raises(RequestError) as after:
        live.version()
    assert str(before.value) == "no model was pushed yet"
    assert str(after.value) == (
        "no model was pushed yet, though some were trained: `iadb models` lists them, and `iadb "
        "promote` makes one live"
    )


def test_an_end_that_waits_for_a_version_says_so(tmp_path, monkeypatch):
    begun, waiting, lines = threading.Event(), threading.Event(), []

    def load(folder, number):
        begun.set()
        assert waiting.wait(PATIENCE)
        raise ValueError("damaged")

    def report(line):
        lines.append(line)
        waiting.set()

    monkeypatch.setattr("pipeline.serve.live.Version", load)
    live = Live(lambda: tmp_path / "7", report)
    live.start()
    assert begun.wait(PATIENCE)
    live.stop()
    assert lines == [
        "waiting for version 7, which is being loaded",
        "version 7 does not load: damaged",
    ]


def test_nothing_pushed_yet_is_no_reason_not_to_start(tmp_path, one_color):
    with RunningServer(tmp_path / "serving") as server:
        for path in ("/readyz", "/v1/models/iadb"):
            status, headers, answer = server.ask(path)
            assert (status, answer) == (503, {"error": "no model was pushed yet"})
            assert headers["Retry-After"] == "5"
        assert server.ask("/healthz")[0] == 200
        server.wait_for(push(one_color[0], tmp_path / "serving"))
        assert server.ask("/readyz")[0] == 200


def test_who_asks_for_health_is_not_told_a_folder(tmp_path):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"damaged")
    with RunningServer(tmp_path) as server:
        end = time.monotonic() + PATIENCE
        while not server.live.failed:
            assert time.monotonic() < end
            time.sleep(0.02)
        status, _, answer = server.ask("/readyz")
        expected = "version 1 does not load; the output of the server says why"
        assert (status, answer) == (503, {"error": expected})
        assert any("does not load: " in line for line in server.lines)


def test_a_version_that_does_not_load_is_reported_and_the_old_one_stays(
    tmp_path, one_color, sampler
):
    first = push(one_color[0], tmp_path)
    with RunningServer(tmp_path) as server:
        server.wait_for(first)
        before = images(server)
        bad = first + 1
        shutil.copytree(sampler, tmp_path / "hidden")
        (tmp_path / "hidden" / "variables" / "variables.index").write_bytes(b"damaged")
        (tmp_path / "hidden").rename(tmp_path / str(bad))
        end = time.monotonic() + PATIENCE
        while not server.live.failed:
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.2)  # several looks at the folder
        assert images(server) == before
        assert len(server.lines) == 2
        assert server.lines[1].startswith(f"version {bad} does not load: ")
        assert server.lines[1].endswith(f"; version {first} stays live")
        found = server.ask("/v1/models/iadb")[2]["model_version_status"]
        assert [each["state"] for each in found] == ["END", "AVAILABLE"]
        assert found[0]["status"]["error_message"] == (
            "does not load; the output of the server says why"
        )
        (failed,) = re.findall(
            r"\niadb_serve_version_failed (.*)\n", server.ask("/metrics")[2].decode()
        )
        assert float(failed) == bad


def test_the_memory_of_a_replaced_version_is_freed(tmp_path, sampler, one_color):
    push(sampler, tmp_path)
    live = Live(lambda: newest(tmp_path), lambda line: None, poll_seconds=0.01)
    live.start()
    end = time.monotonic() + PATIENCE
    while not live.current:
        time.sleep(0.01)
    held = live.version()  # by a request
    models = weakref.ref(held), weakref.ref(held._model)
    number = push(one_color[0], tmp_path)
    while live.current.number != number:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert held.call("generate", {"seed": [5], "nb_step": 2})
    assert models[1]() is not None
    del held
    while any(model() is not None for model in models):
        assert time.monotonic() < end
        time.sleep(0.01)
    live.stop()


def test_a_rejected_request_does_not_keep_a_replaced_version(tmp_path, sampler, one_color):
    first = push(sampler, tmp_path)
    rejected = {"signature_name": "generate", "inputs": {"seed": [5], "nb_step": 0}}
    with RunningServer(tmp_path) as server:
        server.wait_for(first)
        gc.collect()
        gc.disable()  # which might free it by chance
        try:
            assert server.ask(PREDICT, rejected)[0] == 400
            version = server.live.current
            models = weakref.ref(version), weakref.ref(version._model)
            del version
            server.wait_for(push(one_color[0], tmp_path))
            end = time.monotonic() + PATIENCE
            while any(model() is not None for model in models):
                assert time.monotonic() < end
                time.sleep(0.01)
        finally:
            gc.enable()


def test_a_look_that_fails_is_reported_once_and_others_follow(one_color):
    looks = []

    def find():
        looks.append(len(looks))
        if len(looks) < 4:
            raise RuntimeError("of all things\nand more")
        return model

    (model, _), lines = one_color, []
    live = Live(find, lines.append, poll_seconds=0.01)
    live.start()
    end = time.monotonic() + PATIENCE
    while not live.current:
        assert time.monotonic() < end
        time.sleep(0.01)
    live.stop()
    assert lines[0] == "versions cannot be followed: of all things"
    assert [line.partition(",")[0] for line in lines[1:]] == ["version 1 is live"]


@pytest.fixture
def slow_to_load(one_color, sampler):
    return one_color[0], sampler


def wait_for_more(answers, count=5):
    """Waits until requests that began after this call were answered; four clients ask at once."""
    enough, end = len(answers) + count, time.monotonic() + PATIENCE
    while len(answers) < enough:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("models", "swaps"),
    [("slow_to_load", 2), pytest.param("one_color", 12, marks=pytest.mark.slow)],
)
def test_no_request_fails_while_versions_are_swapped(tmp_path, request, models, swaps):
    models, serving = request.getfixturevalue(models), tmp_path / "serving"
    pushed = [push(models[0], serving)]
    done, failures, answers = threading.Event(), [], []

    def load():
        while not done.is_set():
            status, _, answer = server.ask(PREDICT, BODY)
            if status == 200:
                answers.append(json.dumps(answer))
            else:
                failures.append((status, answer))
            time.sleep(0.01)  # of which the versions to load have the use

    with RunningServer(serving) as server:
        server.wait_for(pushed[0])
        clients = [threading.Thread(target=load) for _ in range(4)]
        for client in clients:
            client.start()
        for swap in range(swaps):
            pushed.append(push(models[(swap + 1) % 2], serving))
            server.wait_for(pushed[-1])
            wait_for_more(answers)
        done.set()
        for client in clients:
            client.join()
        assert server.live.swaps == swaps + 1
    assert not failures
    assert len({*answers}) == 2
