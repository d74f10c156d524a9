"""Runs and schedules of a pipeline on a Kubeflow Pipelines cluster, by KFP's own client.

A pipeline and its experiment have the same name. KFP's client prints links to what it creates.
"""

import functools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kfp
import tenacity
import urllib3
from kfp.client.token_credentials_base import TokenCredentialsBase
from kfp_server_api import ApiException, Configuration, V2beta1RecurringRun, V2beta1Run
from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

from pipeline.addresses import is_loopback
from pipeline.cluster.access import Access, AccessError
from pipeline.config.pipeline_config import PipelineConfig
from trainer.common import exit_codes

POLL_SECONDS = 10
LOST_SECONDS = 300  # without an answer, before a run is no longer followed
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")  # states of runs and tasks
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


class Cluster:
    """A Kubeflow Pipelines cluster that has answered. Every method raises ClusterError.

    Raises:
        ClusterError: the cluster is unreachable, rejects the request, or does not run KFP 2.
        AccessError: it is a multi-user cluster, and no namespace is given.
    """

    def __init__(self, access: Access) -> None:
        self._namespace = access.namespace
        url = access.endpoint
        proxy = None if is_loopback(access.host) else select_proxy(url, get_environ_proxies(url))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # KFP 1 is not supported
            self._client = kfp.Client(
                host=url,
                # Without one, it already sends a request here, which has no time limit yet.
                namespace=access.namespace or "unknown",
                credentials=_Token(access) if access.has_token else None,
                # urllib3 itself reads none of these variables.
                ssl_ca_cert=os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE"),
                proxy=proxy and prepend_scheme_if_needed(proxy, "http"),
            )
        self._client._context_setting["namespace"] = access.namespace or ""
        rest = self._client._run_api.api_client.rest_client  # sends the requests of all services
        rest.pool_manager.connection_pool_kw["retries"] = RETRIES
        rest.request = functools.partial(_request, rest.request, access)
        if self._client.get_kfp_healthz().multi_user and not access.namespace:
            raise AccessError(
                f"{url} is a multi-user cluster: set your namespace with --namespace or "
                "IADB_KFP_NAMESPACE"
            )

    def start(self, config: PipelineConfig, package: Path, parameters: Mapping[str, Any]) -> str:
        """Starts a run of a package that was compiled from a configuration; returns its id."""
        return self._client.create_run_from_pipeline_package(
            str(package),
            arguments=dict(parameters),
            run_name=f"{config.name} {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}",
            experiment_name=config.name,
            service_account=config.kubeflow.service_account,
        ).run_id

    def follow(self, run_id: str) -> Iterator[V2beta1Run]:
        """Yields a run every POLL_SECONDS until it has ended.

        Waits LOST_SECONDS for a cluster that does not answer, for example during an upgrade. KFP's
        own wait_for_run_completion neither does so, nor does it end with a canceled run.
        """
        get_run = tenacity.retry(
            retry=tenacity.retry_if_exception(_is_lost),
            stop=tenacity.stop_after_delay(LOST_SECONDS),
            wait=tenacity.wait_fixed(POLL_SECONDS),
            reraise=True,
        )(self._client.get_run)
        try:
            while (run := get_run(run_id)).state not in ENDED:
                yield run
                time.sleep(POLL_SECONDS)
            yield run
        except ClusterError as error:
            raise ClusterError(f"{error}; run {run_id} may continue: see its page") from None

    def schedule(
        self,
        config: PipelineConfig,
        package: Path,
        parameters: Mapping[str, Any],
        name: str,
        cron: str,
    ) -> int:
        """Creates a schedule that runs a package, and replaces those of the same name.

        One run at a time; of missed runs, the newest is made up for. KFP cannot change a schedule:
        the new one is created first, then older ones are deleted.

        Args:
            config: that the package was compiled from.
            package: what is run.
            parameters: of the runs.
            name: of the schedule.
            cron: six fields, in the cluster's time zone.

        Returns:
            How many it replaces.
        """
        older = self._schedules(config.name, name)
        self._client.create_recurring_run(
            self._client.create_experiment(config.name).experiment_id,
            name,
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=True,
            params=dict(parameters),
            pipeline_package_path=str(package),
            service_account=config.kubeflow.service_account,
        )
        try:
            self._delete(older)
        except ClusterError as error:
            raise ClusterError(
                f"created schedule {name}, but an older one may still start runs; try again: "
                f"{error}"
            ) from None
        return len(older)

    def unschedule(self, pipeline: str, name: str) -> int:
        """Deletes the schedules of a pipeline that have a name; returns how many."""
        found = self._schedules(pipeline, name)
        self._delete(found)
        return len(found)

    def _schedules(self, pipeline: str, name: str) -> list[V2beta1RecurringRun]:
        experiments = self._client.list_experiments(
            namespace=self._namespace, filter=_display_name(pipeline)
        ).experiments
        return [
            run
            for experiment in experiments or ()
            for run in self._client.list_recurring_runs(
                experiment_id=experiment.experiment_id, filter=_display_name(name), page_size=100
            ).recurring_runs
            or ()
        ]

    def _delete(self, runs: list[V2beta1RecurringRun]) -> None:
        for run in runs:
            # KFP's delete_recurring_run would also delete a run of it that is in progress.
            self._client.recurring_runs.recurring_run_service_delete_recurring_run(
                run.recurring_run_id, propagation_policy="ORPHAN"
            )


def _is_lost(error: BaseException) -> bool:
    """Whether the cluster gave no answer, or will give another one."""
    return isinstance(error, ClusterError) and (error.status is None or error.status >= 500)


def _display_name(text: str) -> str:
    """A filter by the displayed name, which KFP's server decodes once more than the rest."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": text}
    return quote(json.dumps({"predicates": [predicate]}))


class _Token(TokenCredentialsBase):
    """Reads the token for each request."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def refresh_api_key_hook(self, config: Configuration) -> None:
        config.api_key["authorization"] = self._access.read_token()


def _request(send: Callable[..., Any], access: Access, method: str, url: str, **kwargs: Any) -> Any:
    """Sends a request with a time limit; a failure of any kind is a ClusterError."""
    try:
        response = send(method, url, **kwargs | {"_request_timeout": TIMEOUT})
        if isinstance(json.loads(response.data), dict):
            return response
    except ApiException as error:
        if error.status != 404 or not url.endswith("/healthz"):
            raise ClusterError(_explain(error, access), error.status) from None
    except urllib3.exceptions.HTTPError as error:
        reason = one_line(getattr(error, "reason", error))
        raise ClusterError(f"{access.endpoint} is unreachable: {reason}") from None
    except ValueError:  # the page of a login or dashboard
        pass
    raise ClusterError(
        f"{access.endpoint} does not answer like KFP 2 (API v2beta1); use the URL that "
        "/apis/v2beta1 is below (on Kubeflow, the dashboard's followed by /pipeline), and a token "
        "if it requires a login",
        404,
    )


def _explain(error: ApiException, access: Access) -> str:
    if error.status == 401 and access.has_token:
        return f"{access.endpoint} rejects the token (401)"
    if error.status == 401:
        return f"{access.endpoint} requires a token (401): set IADB_KFP_TOKEN or --token-file"
    try:
        answer = json.loads(error.body or b"")
    except ValueError:
        answer = None
    # One of the keys of KFP and of proxies in front of it.
    keys = ("message", "error_message", "error") if isinstance(answer, dict) else ()
    details = next((f": {one_line(answer[key])}" for key in keys if answer.get(key)), "")
    if error.status == 403:
        where = f" in namespace {access.namespace}" if access.namespace else ""
        return f"{access.endpoint} forbids this{where} (403){details}"
    status = f"{error.status} {one_line(error.reason)}"
    return f"{access.endpoint} rejects the request ({status}){details}"


def one_line(text: Any) -> str:
    """A text of the cluster in one line, without control characters; None is empty."""
    printable = "".join(c if c.isprintable() else " " for c in str(text or ""))
    return " ".join(printable.split())[:300]
