"""Reports attempts to a webhook, as JSON that Slack, Mattermost and others show as a message."""

import dataclasses
import json
import logging
import os
import platform
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import tenacity

from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Attempt
from pipeline.workspace import Workspace
from trainer.common import exit_codes

TIMEOUT = 10.0  # seconds
TRIES = 3
WAIT = 1.0  # seconds before the first retry; doubles with each
MAX_MESSAGE = 1000  # characters

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # all that Slack reads as markup


class NotifyError(RuntimeError):
    """A webhook did not accept a message; the text is one line, without the URL's secrets."""

    exit_code = exit_codes.USAGE


def tell(options: NotifyOptions, attempt: Attempt, workspace: Workspace) -> None:
    """Posts an attempt that has ended, if there is a webhook and the outcome is to be reported.

    A failure is only logged; it does not change the outcome.

    Args:
        options: the webhook and the outcomes to report.
        attempt: from the journal.
        workspace: of the attempt.
    """
    if attempt.outcome not in options.on or options.webhook_env not in os.environ:
        return
    try:
        post(options, message(attempt, workspace))
    except NotifyError as error:
        logging.getLogger(__name__).warning("%s", error)


def message(attempt: Attempt, workspace: Workspace) -> dict[str, Any]:
    """The JSON to post: `text` for people, and the fields of the attempt for programs."""
    said = f"{attempt.outcome}: {attempt.message}" if attempt.message else f"{attempt.outcome}"
    where = f"{platform.node()}:{workspace.folder}"
    text = " ".join(f"iadb on {where}: {said}".split())[:MAX_MESSAGE]
    fields = json.loads(json.dumps(dataclasses.asdict(attempt), default=str))
    return {"text": text.translate(_ESCAPED), "mrkdwn": False, "where": where, "attempt": fields}


class _TemporaryError(NotifyError):
    """A failure that may not occur at the next attempt."""


def post(options: NotifyOptions, payload: Mapping[str, Any]) -> None:
    """Posts JSON to the webhook; retries if it is unreachable, busy or fails.

    Raises:
        NotifyError: there is no webhook, its URL is not valid, or it rejects the message.
    """
    url = os.environ.get(options.webhook_env, "")
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

    try:
        # Neither the answer nor a redirection is of interest.
        with requests.post(
            url, json=payload, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as response:
            status = response.status_code
    except requests.Timeout:
        raise _TemporaryError(f"{webhook}: no answer within {TIMEOUT:g} seconds") from None
    except (requests.RequestException, ValueError) as error:  # whose text contains the URL
        raise _TemporaryError(f"{webhook}: is unreachable ({type(error).__name__})") from None
    if status >= 300:
        temporary = status >= 500 or status == requests.codes.too_many_requests
        failure = _TemporaryError if temporary else NotifyError
        raise failure(f"{webhook}: answers with status {status}")


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
