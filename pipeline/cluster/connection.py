"""KFP's own client, with a time limit for each request and one line for each failure."""

import json
import os
import warnings
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import kfp
import urllib3
from kfp.client.token_credentials_base import TokenCredentialsBase
from kfp_server_api import ApiException, Configuration
from kfp_server_api.rest import RESTClientObject
from requests.utils import should_bypass_proxies

from pipeline.addresses import is_loopback
from pipeline.cluster.access import Access, AccessError
from trainer.common import exit_codes

TIMEOUT = (5, 30)  # seconds to connect, and to wait for an answer
# urllib3's own retries, and what a busy server asks for, would multiply these times; up to 3
# redirects are followed.
RETRIES = urllib3.Retry(3, connect=0, read=0, other=0, respect_retry_after_header=False)


class ClusterError(RuntimeError):
    """A cluster that is unreachable or rejects a request, or a run that failed there; one line.

    Attributes:
        status: of the HTTP answer, if there was one.
    """

    exit_code = exit_codes.CLUSTER

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client(kfp.Client):
    """KFP's client for a cluster that has answered; all its methods raise ClusterError.

    Raises:
        ClusterError: the cluster is unreachable, rejects the request, or does not run KFP 2.
        AccessError: it is a multi-user cluster, and no namespace is given.
    """

    def __init__(self, access: Access) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # KFP 1 is not supported
            super().__init__(
                host=access.endpoint,
                # Without one, it already sends a request here, which has no time limit yet.
                namespace=access.namespace or "unknown",
                credentials=_Token(access) if access.has_token else None,
                # urllib3 itself reads neither variable.
                ssl_ca_cert=os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE"),
                proxy=_proxy_of(access.endpoint),
            )
        self._context_setting["namespace"] = access.namespace or ""
        api_client = self._run_api.api_client  # shared by all services
        api_client.rest_client = _Rest(api_client.configuration, access)
        if self.get_kfp_healthz().multi_user and not access.namespace:
            raise AccessError(
                f"{access.endpoint} is a multi-user cluster: set your namespace with --namespace "
                "or IADB_KFP_NAMESPACE"
            )

    def delete_recurring_run(self, recurring_run_id: str) -> dict:
        """Deletes a schedule; by default, Kubernetes would also delete a run of it in progress."""
        return self._recurring_run_api.recurring_run_service_delete_recurring_run(
            recurring_run_id, propagation_policy="ORPHAN"
        )


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL; none for a forwarded port of this machine."""
    address = urlsplit(url)
    if is_loopback(address.hostname or "") or should_bypass_proxies(url, no_proxy=None):
        return None
    proxy = getproxies().get(address.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


class _Token(TokenCredentialsBase):
    """Reads the token for each request."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def refresh_api_key_hook(self, config: Configuration) -> None:
        config.api_key["authorization"] = self._access.read_token()


class _Rest(RESTClientObject):
    """Sends the requests of all services."""

    def __init__(self, configuration: Configuration, access: Access) -> None:
        configuration.retries = RETRIES
        super().__init__(configuration)
        self._access = access

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        endpoint = self._access.endpoint
        try:
            response = super().request(method, url, **kwargs | {"_request_timeout": TIMEOUT})
            answer = json.loads(response.data)
        except ApiException as error:
            if error.status != 404 or not url.endswith("/healthz"):
                raise ClusterError(self._explain(error), error.status) from None
            answer = None
        except urllib3.exceptions.HTTPError as error:
            reason = one_line(getattr(error, "reason", error))
            raise ClusterError(f"{endpoint} is unreachable: {reason}") from None
        except ValueError:  # the page of a login or dashboard
            answer = None
        if not isinstance(answer, dict):
            raise ClusterError(
                f"{endpoint} does not answer like KFP 2 (API v2beta1); use the URL that "
                "/apis/v2beta1 is below (on Kubeflow, the dashboard's followed by /pipeline), and "
                "a token if it requires a login"
            )
        return response

    def _explain(self, error: ApiException) -> str:
        endpoint, namespace = self._access.endpoint, self._access.namespace
        if error.status == 401 and self._access.has_token:
            return f"{endpoint} rejects the token (401)"
        if error.status == 401:
            return f"{endpoint} requires a token (401): set IADB_KFP_TOKEN or --token-file"
        if error.status == 403:
            where = f" in namespace {namespace}" if namespace else ""
            return f"{endpoint} forbids this{where} (403){_details(error.body)}"
        status = f"{error.status} {one_line(error.reason)}"
        return f"{endpoint} rejects the request ({status}){_details(error.body)}"


def one_line(text: Any) -> str:
    """A text of the cluster in one line, without control characters; None is empty."""
    printable = "".join(c if c.isprintable() else " " for c in str(text or ""))
    return " ".join(printable.split())[:300]


def _details(body: bytes | None) -> str:
    """The message of an error, under one of the keys of KFP and of proxies in front of it."""
    try:
        answer = json.loads(body or b"")
    except ValueError:
        return ""
    keys = ("message", "error_message", "error") if isinstance(answer, dict) else ()
    return next((f": {one_line(answer[key])}" for key in keys if answer.get(key)), "")
