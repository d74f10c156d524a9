"""Requests to a Kubeflow Pipelines cluster: each with a time limit, each failure in one line."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import kfp
import kfp_server_api as api
import urllib3
from kfp.client.token_credentials_base import TokenCredentialsBase

from pipeline.cluster.access import Access, AccessError
from trainer.common import exit_codes

TIMEOUT = (5, 30)  # seconds to connect, and to wait for an answer
PAGE_SIZE = 100


class ClusterError(RuntimeError):
    """A cluster that cannot be reached or refuses, or a run that failed there; one line.

    Attributes:
        status: of the HTTP answer, if there was one.
    """

    exit_code = exit_codes.CLUSTER

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _Token(TokenCredentialsBase):
    """Gives the client the token for each request."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def refresh_api_key_hook(self, config: api.Configuration) -> None:
        config.api_key["authorization"] = self._access.read_token()


class Connection:
    """A cluster that has answered.

    Attributes:
        access: how it is called.
        client: KFP's own, for the services that it holds, such as `client.runs`.

    Raises:
        ClusterError: if it is not reached, refuses, or is no KFP 2.
        AccessError: if it has many users, and no namespace is given.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that KFP 1 is not served
            self.client = kfp.Client(
                host=access.endpoint,
                # Requests name it themselves. Without one, the client asks for the cluster's
                # health five times before it fails, and writes a file into the home folder.
                namespace=access.namespace or "unused",
                credentials=_Token(access) if access.has_token else None,
            )
        if self._health().get("multi_user") and not access.namespace:
            raise AccessError(
                f"{access.endpoint} has many users: give your namespace with --namespace or "
                "IADB_KFP_NAMESPACE"
            )

    def call(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Makes a request: a method of one of the client's services; returns its answer."""
        endpoint = self.access.endpoint
        try:
            return request(*args, **kwargs, _request_timeout=TIMEOUT)
        except api.ApiException as error:
            raise ClusterError(self._explain(error), error.status) from None
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"{endpoint} cannot be reached: {_root_cause(error)}") from None
        except UnicodeDecodeError:
            raise ClusterError(f"{endpoint} answers with something that is not text") from None

    def list(self, request: Callable[..., Any], field: str, **query: Any) -> Iterator[Any]:
        """Yields what a request lists in a field of its answers, page after page."""
        token = ""
        while True:
            page = self.call(request, page_token=token, page_size=PAGE_SIZE, **query)
            yield from getattr(page, field) or ()
            token = page.next_page_token
            if not token:
                return

    def _health(self) -> dict[str, Any]:
        request = self.client.healthzs.healthz_service_get_healthz
        try:
            answer = self.call(request, _preload_content=False).data
        except ClusterError as error:
            if error.status != 404:
                raise
            answer = b""
        try:
            health = json.loads(answer)
        except ValueError:  # a page: a login, a dashboard
            health = None
        if not isinstance(health, dict):
            raise ClusterError(
                f"{self.access.endpoint} does not answer as KFP 2 does (API v2beta1); give the URL "
                "that /apis/v2beta1 is below, on Kubeflow the dashboard's followed by /pipeline, "
                "and a token where it asks for a login"
            )
        return health

    def _explain(self, error: api.ApiException) -> str:
        endpoint, namespace = self.access.endpoint, self.access.namespace
        if error.status == 401:
            if self.access.has_token:
                return f"{endpoint} does not accept the token (401)"
            return f"{endpoint} asks for a token (401): set IADB_KFP_TOKEN or give --token-file"
        if error.status == 403:
            where = f" in namespace {namespace}" if namespace else ""
            return f"{endpoint} forbids this{where} (403){_said(error.body)}"
        return f"{endpoint} refuses ({error.status} {one_line(error.reason)}){_said(error.body)}"


def display_name(operation: str, text: str) -> str:
    """A filter of lists by the name shown, such as `display_name("EQUALS", "digits")`.

    It is quoted, since the server decodes it once more than other parameters.
    """
    predicate = {"operation": operation, "key": "display_name", "string_value": text}
    return quote(json.dumps({"predicates": [predicate]}))


def one_line(text: Any) -> str:
    """A text of the cluster in one line, without what a terminal would act on; None is empty."""
    printable = "".join(c if c.isprintable() else " " for c in str(text or ""))
    return " ".join(printable.split())[:300]


def _root_cause(error: BaseException) -> str:
    """The innermost of the errors that urllib3 wraps in one another, in its own words."""
    wrapped = (getattr(error, "reason", None), *error.args)
    for inner in wrapped:
        if isinstance(inner, BaseException):
            return _root_cause(inner)
    return one_line(re.sub(r"^HTTPS?Connection\w*\(.*?\): ", "", str(error)))


def _said(body: str | bytes | None) -> str:
    """What a refusal says, in one of the ways that KFP and the proxies before it have."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    said = next((answer[k] for k in ("message", "error_message", "error") if answer.get(k)), "")
    return f": {one_line(said)}" if said else ""
