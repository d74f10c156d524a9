"""Runs a command in several cooperating pods, as a TFJob of Kubeflow's training operator.

The operator starts the pods and lists them in each one's TF_CONFIG. Nothing here depends on what
the command does.
"""

import copy
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed
from urllib3.exceptions import HTTPError

from components.image_trainer.job_options import JobOptions
from components.image_trainer.pods import (
    CONTAINER,
    REQUEST_SECONDS,
    Logs,
    describe_state,
    list_pods,
)
from trainer.common import exit_codes
from trainer.common.signals import stop_on_signals

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "tfjobs"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
POD_NAME, POD_UID = "POD_NAME", "POD_UID"  # environment variables that identify this pod

POLL_SECONDS = 5.0
PATIENCE_SECONDS = 300.0  # of retries while the API server is unavailable
REPLACE_SECONDS = 600.0  # timeout of deleting an earlier job of the same name
TTL_SECONDS = 3600  # after which a finished job is deleted if this process could not do so


class TFJobError(RuntimeError):
    """A TFJob could not be created, was deleted or failed; the message is one line.

    Attributes:
        exit_code: of the worker that failed first, if it names a cause; else None.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code if exit_code in exit_codes.CAUSES else None


def run(name: str, options: JobOptions, command: Sequence[str]) -> None:
    """Runs a command in every worker of a TFJob and returns when it has succeeded.

    Deletes a job of the same name that an earlier attempt left, prints the workers' logs, and
    deletes the job at the end, even after a failure, Ctrl-C or SIGTERM.

    Args:
        name: name of the job in the namespace of this pod; at most 50 characters, because the names
            of its pods contain it.
        options: the pods.
        command: command of their container.

    Raises:
        TFJobError: the job cannot be created, a worker failed, or the job was deleted.
        SystemExit: on SIGTERM.
    """
    job = _TFJob(name, _connect())
    with stop_on_signals():
        job.delete_earlier()
        job.create(_body(name, options, command))
        try:
            job.wait()
        finally:
            job.delete()


def _connect() -> str:
    """Loads the credentials of this pod, or outside a cluster those of kubectl.

    Returns:
        The namespace.
    """
    try:
        config.load_incluster_config()
    except config.ConfigException:
        file = os.environ.get("KUBECONFIG")
        config.load_kube_config(file)
        _, active = config.list_kube_config_contexts(file)
        return active["context"].get("namespace", "default")
    return NAMESPACE_FILE.read_text().strip()


def _body(name: str, options: JobOptions, command: Sequence[str]) -> dict[str, Any]:
    template = copy.deepcopy(options.template)
    (container,) = template["spec"]["containers"]
    container |= {"name": CONTAINER, "command": list(command)}
    workers = {"replicas": options.workers, "restartPolicy": "Never", "template": template}
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TFJob",
        "metadata": {"name": name},
        "spec": {
            # Pods must remain until their logs are read.
            "runPolicy": {"cleanPodPolicy": "None", "ttlSecondsAfterFinished": TTL_SECONDS},
            "tfReplicaSpecs": {"Worker": workers},
        },
    }
    if POD_NAME in os.environ and POD_UID in os.environ:
        owner = {"name": os.environ[POD_NAME], "uid": os.environ[POD_UID]}
        body["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", **owner}]
    return body


class _TFJob:
    """One job, from creation to deletion."""

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._resource = (GROUP, VERSION, namespace, PLURAL)
        self._uid = ""
        self._jobs = client.CustomObjectsApi()
        self._core = client.CoreV1Api()

    def delete_earlier(self) -> None:
        """Deletes the job of an earlier attempt, whose pods write to the same files."""
        deadline = time.monotonic() + REPLACE_SECONDS
        while (job := self._retry(self._get)) is not None:
            if time.monotonic() > deadline:
                raise self._error("the job of an earlier attempt still exists; delete it manually")
            if "deletionTimestamp" not in job["metadata"]:
                self._report("deleting the job of an earlier attempt and waiting for its pods")
                self._retry(self._delete, job["metadata"]["uid"])
            time.sleep(POLL_SECONDS)

    def create(self, body: Mapping[str, Any]) -> None:
        """Creates the job."""
        try:
            job = self._jobs.create_namespaced_custom_object(
                *self._resource, body, _request_timeout=REQUEST_SECONDS
            )
        except (ApiException, HTTPError) as error:
            reason = _reason(error)
            if isinstance(error, ApiException) and error.status == 404:
                reason = "the cluster has no resource tfjobs: install Kubeflow's training operator"
            raise self._error(reason) from None
        self._uid = job["metadata"]["uid"]
        self._report("created")

    def wait(self) -> None:
        """Waits for the end of the job and prints the output of the workers."""
        logs, reported = Logs(self._core), ""
        while True:
            job = self._retry(self._get)
            if job is None or job["metadata"]["uid"] != self._uid:
                raise self._error("deleted by someone else while it was running")
            pods = self._retry(list_pods, self._core, self._namespace, self._name)
            logs.copy(pods)
            conditions = {
                condition["type"]: condition
                for condition in job.get("status", {}).get("conditions") or []
                if condition["status"] == "True"
            }
            if "Succeeded" in conditions:
                return
            if "Failed" in conditions:
                message = conditions["Failed"].get("message") or "failed"
                raise self._error(*logs.describe_failure(pods) or (message,))
            state = ", ".join(map(describe_state, pods)) or "no pods yet"
            if state != reported:
                self._report(state)
                reported = state
            time.sleep(POLL_SECONDS)

    def delete(self) -> None:
        """Deletes the job with its pods, without waiting for their end; only reports errors."""
        try:
            self._delete(self._uid)
        except (ApiException, HTTPError) as error:
            self._report(f"cannot be deleted: {_reason(error)}")

    def _get(self) -> dict[str, Any] | None:
        try:
            return self._jobs.get_namespaced_custom_object(
                *self._resource, self._name, _request_timeout=REQUEST_SECONDS
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def _delete(self, uid: str) -> None:
        # In the foreground, the job exists until its pods have ended. The uid protects a job with
        # which another attempt replaced this one.
        options = client.V1DeleteOptions(
            propagation_policy="Foreground", preconditions=client.V1Preconditions(uid=uid)
        )
        try:
            self._jobs.delete_namespaced_custom_object(
                *self._resource, self._name, body=options, _request_timeout=REQUEST_SECONDS
            )
        except ApiException as error:
            if error.status not in (404, 409):
                raise

    def _retry(self, call: Callable[..., Any], *args: Any) -> Any:
        """Calls the API, and again while its server is unavailable."""
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            wait=wait_fixed(POLL_SECONDS),
            stop=stop_after_delay(PATIENCE_SECONDS),
            reraise=True,
        )
        try:
            return retrying(call, *args)
        except (ApiException, HTTPError) as error:
            raise self._error(_reason(error)) from None

    def _report(self, text: str) -> None:
        print(f"  TFJob {self._namespace}/{self._name}: {text}", flush=True)

    def _error(self, text: str, exit_code: int | None = None) -> TFJobError:
        return TFJobError(f"TFJob {self._namespace}/{self._name}: {text}", exit_code)


def _is_transient(error: BaseException) -> bool:
    """Whether the API server is unavailable rather than rejecting the request."""
    return isinstance(error, HTTPError) or (
        isinstance(error, ApiException) and (error.status == 429 or error.status >= 500)
    )


def _reason(error: ApiException | HTTPError) -> str:
    """Returns the server's message, or else the error of the connection."""
    if isinstance(error, HTTPError):
        return f"the API server does not respond: {error}"
    try:
        return json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        return f"the API server returned {error.status} {error.reason}"
