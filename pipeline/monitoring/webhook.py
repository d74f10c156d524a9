"""Posts checks to a webhook, as JSON that Slack, Mattermost and the like show as a message."""

import dataclasses
import json
import logging
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

import tenacity

from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Attempt
from pipeline.registry.outcome import RunResult
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.text import as_json_text, shorten

TIMEOUT = 10.0  # seconds
TRIES = 3
WAIT = 1.0  # seconds before the first retry; doubles with each
MAX_MESSAGE = 1000  # characters

# Those of the environment would get the secret, and are not for this machine.
_NO_PROXIES = dict.fromkeys(("http", "https", "all"))
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # what Slack takes for markup


class NotifyError(RuntimeError):
    """A webhook did not accept a message; the text is one line, without the URL's secrets."""

    exit_code = exit_codes.USAGE


def notify(
    options: NotifyOptions, attempt: Attempt, results: Sequence[RunResult], workspace: Workspace
) -> None:
    """Posts a check that has ended, if there is a webhook and the outcome is in `notify.on`.

    A failure is logged and does not change how the check ended.

    Args:
        options: which outcomes to post, and where.
        attempt: the check, as the journal has it.
        results: of its runs.
        workspace: of the check.
    """
    if attempt.outcome not in options.on or options.webhook_env not in os.environ:
        return
    try:
        post(options, message(attempt, workspace, results))
    except NotifyError as error:
        logging.getLogger(__name__).warning("%s", error)
    except Exception as error:  # of a library; its text may have the URL, which is a secret
        logging.getLogger(__name__).warning("webhook: %s", type(error).__name__)


def message(
    attempt: Attempt, workspace: Workspace, results: Sequence[RunResult] = ()
) -> dict[str, Any]:
    """The payload: `text` for a person; the check and the results of its runs for a program."""
    reason = f": {attempt.message}" if attempt.message else ""
    where = f"{platform.node()}:{workspace.folder}"
    text = " ".join(f"iadb on {where}: {attempt.outcome}{reason}".split())[:MAX_MESSAGE]
    return {
        # Mattermost takes @channel for a mention: a space of no width makes it a word.
        "text": text.translate(_ESCAPED).replace("@", "@\u200b"),
        "mrkdwn": False,
        "where": where,
        "attempt": _fields(attempt),
        "results": [_fields(result) for result in results],
    }


def _fields(record: Attempt | RunResult) -> dict[str, Any]:
    short = dataclasses.replace(record, message=shorten(record.message, MAX_MESSAGE))
    return json.loads(json.dumps(dataclasses.asdict(short), default=as_json_text))


class _TemporaryError(NotifyError):
    """A failure that may not occur at the next try."""


def post(options: NotifyOptions, payload: Mapping[str, Any]) -> None:
    """Posts JSON to the webhook; retries if it is unreachable, busy or fails.

    Raises:
        NotifyError: there is no webhook, its URL is not valid, or it rejects the message.
    """
    url = os.environ.get(options.webhook_env, "").strip()  # a secret from a file ends its line
    webhook = f"webhook ${options.webhook_env}"
    _check(url, webhook)
    # Not urllib3's Retry: it logs the path of the URL, which is the secret.
    tenacity.retry(
        retry=tenacity.retry_if_exception_type(_TemporaryError),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_exponential(WAIT),
        reraise=True,
    )(_post_once)(url, webhook, payload)


def _post_once(url: str, webhook: str, payload: Mapping[str, Any]) -> None:
    import requests

    answered: Future[int] = Future()
    # The timeout of requests begins anew with each byte that a slow server sends.
    threading.Thread(target=_send, args=(url, payload, answered), daemon=True).start()
    try:
        status = answered.result(TIMEOUT)
    except (requests.Timeout, TimeoutError):
        raise _TemporaryError(f"{webhook}: no answer within {TIMEOUT:g} seconds") from None
    except (requests.RequestException, ValueError) as error:  # whose text contains the URL
        raise _TemporaryError(f"{webhook}: is unreachable ({type(error).__name__})") from None
    if status >= 300:
        temporary = status >= 500 or status == requests.codes.too_many_requests
        failure = _TemporaryError if temporary else NotifyError
        raise failure(f"{webhook}: answers with status {status}")


def _send(url: str, payload: Mapping[str, Any], answered: Future[int]) -> None:
    """Posts JSON, and states the status of the answer, or what went wrong."""
    import requests

    try:
        # Neither the answer nor a redirection is of interest.
        with requests.post(
            url,
            json=payload,
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
            proxies=_NO_PROXIES if urlsplit(url).hostname in _LOOPBACK else None,
        ) as response:
            answered.set_result(response.status_code)
    except Exception as error:
        answered.set_exception(error)


def _check(url: str, webhook: str) -> None:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if not url:
        raise NotifyError(f"{webhook}: is not set; set it to the URL to post to")
    if not host or not (scheme == "https" or (scheme == "http" and host in _LOOPBACK)):
        raise NotifyError(
            f"{webhook}: is not a valid webhook URL; use https://..., or http://... for this "
            "machine"
        )
