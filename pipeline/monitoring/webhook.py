"""Tells a webhook about an attempt: JSON that Slack, Mattermost and the like show as a message."""

import dataclasses
import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.journal import Attempt
from pipeline.workspace import Workspace
from trainer.common import exit_codes

TIMEOUT = 10.0  # seconds
TRIES = 3
WAIT = 1.0  # seconds before the second try, then twice as long
MAX_MESSAGE = 1000  # characters

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # all that Slack reads as markup


class NotifyError(RuntimeError):
    """A webhook that was not told; the message is one line, without the URL's secrets."""

    exit_code = exit_codes.USAGE


def tell(options: NotifyOptions, attempt: Attempt, workspace: Workspace) -> None:
    """Posts an attempt that has ended to the webhook, if there is one and the outcome is told.

    Where that fails, a line is logged: it decides nothing about the attempt.

    Args:
        options: whom to tell about what.
        attempt: as the journal has it.
        workspace: of the attempt.
    """
    if attempt.outcome not in options.on or options.webhook_env not in os.environ:
        return
    try:
        post(options, message(attempt, workspace))
    except NotifyError as error:
        logging.getLogger(__name__).warning("%s", error)


def message(attempt: Attempt, workspace: Workspace) -> dict[str, Any]:
    """What is posted: `text` for a person, and the fields of the attempt for a program."""
    said = f"{attempt.outcome}: {attempt.message}" if attempt.message else f"{attempt.outcome}"
    where = f"{platform.node()}:{workspace.folder}"
    text = " ".join(f"iadb on {where}: {said}".split())[:MAX_MESSAGE]
    fields = json.loads(json.dumps(dataclasses.asdict(attempt), default=str))
    return {"text": text.translate(_ESCAPED), "mrkdwn": False, "where": where, "attempt": fields}


def post(options: NotifyOptions, payload: Mapping[str, Any]) -> None:
    """Posts JSON to the webhook; tries again where it is not reached or has a fault of its own.

    Raises:
        NotifyError: there is no webhook, its URL is none, or it did not accept the message.
    """
    import requests

    url = os.environ.get(options.webhook_env, "")
    webhook = f"webhook ${options.webhook_env}"
    _check(url, webhook)
    for i in range(TRIES):
        if i:
            time.sleep(WAIT * 2 ** (i - 1))
        try:
            # Neither the answer nor a redirection is of interest.
            with requests.post(
                url, json=payload, timeout=TIMEOUT, allow_redirects=False, stream=True
            ) as response:
                status = response.status_code
        except requests.Timeout:
            problem = f"no answer within {TIMEOUT:g} seconds"
        except (requests.RequestException, ValueError) as error:  # whose text has the URL in it
            problem = f"cannot be reached ({type(error).__name__})"
        else:
            if status < 300:
                return
            problem = f"answers with status {status}"
            if status < 500 and status != requests.codes.too_many_requests:
                break
    raise NotifyError(f"{webhook}: {problem}")


def _check(url: str, webhook: str) -> None:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if not url:
        raise NotifyError(f"{webhook}: is not set; it holds the URL to post to")
    if not host or not (scheme == "https" or (scheme == "http" and host in _LOOPBACK)):
        raise NotifyError(
            f"{webhook}: holds no URL that can be posted to; give https://..., or http://... on "
            "this machine"
        )
