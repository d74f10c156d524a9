import dataclasses
import logging
import time
from datetime import datetime, timezone

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.monitoring import webhook
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Attempt
from pipeline.registry.names import Outcome
from pipeline.workspace import Workspace
from tests.webhook import SECRET, Webhook

ATTEMPT = Attempt(
    number=7,
    started=datetime(2026, 11, 25, 3, tzinfo=timezone.utc),
    cause="schedule",
    found={"new": {"8": 60}},
    ended=datetime(2026, 11, 25, 3, 10, tzinfo=timezone.utc),
    outcome=Outcome.FAILED,
    message="Trainer: the loss is nan",
    exit_code=1,
    tries=3,
    runs=("run-1",),
)


@pytest.fixture
def serve(monkeypatch):
    servers = []

    def start(*statuses, **options):
        servers.append(Webhook(*statuses, **options))
        monkeypatch.setenv("IADB_WEBHOOK", servers[-1].url)
        return servers[-1]

    monkeypatch.setattr(webhook, "WAIT", 0.0)
    yield start
    for server in servers:
        server.close()


def wait_for_posts(server, count):
    """Waits for posts that nobody waits for any more, of which the server may hear later."""
    end = time.monotonic() + 60
    while len(server.received) < count:
        assert time.monotonic() < end, server.received
        time.sleep(0.01)


def notify(tmp_path, attempt=ATTEMPT, **options):
    webhook.notify(NotifyOptions(**options), attempt, [], Workspace(tmp_path))


def test_a_check_is_posted_as_text_and_as_fields(serve, tmp_path):
    webhook = serve(200)
    notify(tmp_path)
    [payload] = webhook.received
    assert payload["text"].endswith(f"{tmp_path}: failed: Trainer: the loss is nan")
    assert payload["attempt"]["outcome"] == "failed"
    assert payload["attempt"]["found"] == {"new": {"8": 60}}
    assert datetime.fromisoformat(payload["attempt"]["started"]) == ATTEMPT.started
    assert payload["attempt"].keys() == {field.name for field in dataclasses.fields(Attempt)}


def test_text_from_data_is_one_line_without_markup(serve, tmp_path):
    webhook = serve(200)
    message = "span <!channel> & <http://evil|click>\nsecond @channel" + "x" * 5000
    notify(tmp_path, dataclasses.replace(ATTEMPT, message=message))
    [payload] = webhook.received
    assert "&lt;!channel&gt; &amp; &lt;http://evil|click&gt; second" in payload["text"]
    assert "<" not in payload["text"] and "@channel" not in payload["text"]
    assert len(payload["text"]) < 1100
    assert len(payload["attempt"]["message"]) <= 1000


def test_only_configured_outcomes_are_posted(serve, tmp_path):
    webhook = serve(200)
    for outcome in Outcome:
        notify(tmp_path, dataclasses.replace(ATTEMPT, outcome=outcome), on=("held", "not blessed"))
    assert [payload["attempt"]["outcome"] for payload in webhook.received] == [
        "held",
        "not blessed",
    ]


def test_without_a_webhook_nothing_is_posted_or_logged(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("IADB_WEBHOOK", raising=False)
    notify(tmp_path)
    assert not caplog.records


def test_a_fault_of_the_webhook_is_retried(serve, tmp_path, caplog):
    webhook = serve(500, 429, 204)
    notify(tmp_path)
    assert len(webhook.received) == 3
    assert not caplog.records


@pytest.mark.parametrize(("status", "posts"), [(503, 3), (404, 1), (302, 1)])
def test_a_webhook_that_rejects_is_reported_in_one_line_without_its_secret(
    serve, tmp_path, caplog, status, posts
):
    webhook = serve(status)
    with caplog.at_level(logging.INFO):
        notify(tmp_path)
    assert len(webhook.received) == posts
    [record] = caplog.records
    assert record.getMessage() == f"webhook $IADB_WEBHOOK: answers with status {status}"


def test_an_unreachable_webhook_is_reported_in_one_line_without_its_secret(
    serve, tmp_path, caplog, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(webhook, "TIMEOUT", 0.5)
        slow = serve(200, delay=60)
        notify(tmp_path)
    wait_for_posts(slow, 3)
    closed = serve(200)
    closed.close()
    notify(tmp_path)
    assert not closed.received
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "webhook $IADB_WEBHOOK: no answer within 0.5 seconds",
        "webhook $IADB_WEBHOOK: is unreachable (ConnectionError)",
    ]
    assert SECRET not in caplog.text


def test_a_webhook_that_answers_byte_by_byte_does_not_hold_a_check(
    serve, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(webhook, "TIMEOUT", 0.5)
    monkeypatch.setattr(webhook, "TRIES", 1)
    slow = serve(200, drip=0.1)  # 1.5 seconds in all
    notify(tmp_path)
    wait_for_posts(slow, 1)
    [record] = caplog.records
    assert record.getMessage() == "webhook $IADB_WEBHOOK: no answer within 0.5 seconds"


def test_a_webhook_of_this_machine_is_not_posted_through_a_proxy(serve, tmp_path, monkeypatch):
    proxy = serve(200)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    relay = serve(200)
    notify(tmp_path)
    assert len(relay.received) == 1 and not proxy.received


def test_the_end_of_a_line_is_no_part_of_the_url(serve, tmp_path, monkeypatch):
    webhook = serve(200)
    monkeypatch.setenv("IADB_WEBHOOK", f"{webhook.url}\n")
    notify(tmp_path)
    assert webhook.paths == [f"/services/{SECRET}"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/T0SECRET",
        "http://127.0.0.1.example.org/T0SECRET",
        "http://localhost@example.org/T0SECRET",
        "file:///etc/T0SECRET",
        "https:///T0SECRET",
        "T0SECRET",
        "http://[T0SECRET",
    ],
)
def test_an_invalid_or_unencrypted_url_is_rejected(monkeypatch, tmp_path, caplog, url):
    monkeypatch.setenv("IADB_WEBHOOK", url)
    notify(tmp_path)
    [record] = caplog.records
    assert record.getMessage().startswith("webhook $IADB_WEBHOOK: is not a valid webhook URL")
    assert SECRET not in caplog.text


@pytest.mark.parametrize("host", [f"{SECRET}\udcff", f".{SECRET}", f"{SECRET}:99999"])
def test_errors_about_a_strange_host_do_not_contain_it(monkeypatch, tmp_path, caplog, host):
    monkeypatch.setattr(webhook, "TRIES", 1)
    monkeypatch.setenv("IADB_WEBHOOK", f"https://{host}/")
    notify(tmp_path)
    [record] = caplog.records
    assert record.getMessage().startswith("webhook $IADB_WEBHOOK: is unreachable ")
    assert SECRET not in caplog.text


def test_a_webhook_is_tried_out_by_a_command(serve, tmp_path):
    def iadb(*args):
        return CliRunner().invoke(main, ["notify-test", "--workspace", str(tmp_path), *args])

    webhook = serve(200)
    assert iadb().output == "the webhook accepted the message\n"
    assert "this is a test" in webhook.received[0]["text"]
    refused = iadb("--set", "notify.webhook_env=NOWHERE")
    assert refused.exit_code == 2
    assert refused.output == ("iadb: webhook $NOWHERE: is not set; set it to the URL to post to\n")
