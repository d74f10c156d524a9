"""Runs a command in several pods that work together, as a TFJob of Kubeflow's training operator.

The operator starts the pods and tells each by TF_CONFIG of the others. Nothing here knows what the
command does.
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
from urllib3.exceptions import HTTPError

from components.image_trainer.job_options import JobOptions
from trainer.common.signals import exit_on_sigterm

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "tfjobs"
CONTAINER = "tensorflow"  # the operator gives TF_CONFIG to the container of this name
NAME_LABEL, INDEX_LABEL = "training.kubeflow.org/job-name", "training.kubeflow.org/replica-index"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
POD_NAME, POD_UID = "POD_NAME", "POD_UID"  # environment variables: of the pod this runs in

POLL_SECONDS = 5.0
REQUEST_SECONDS = 60.0  # that one request to the API server may take
PATIENCE_SECONDS = 300.0  # with an API server that does not answer
REPLACE_SECONDS = 600.0  # for an earlier job of the same name to be gone
LOG_OVERLAP_SECONDS = 60  # asked for again with each poll; lines are told apart by their time
TTL_SECONDS = 3600  # that a job is kept after its end if nobody was left to delete it


class TFJobError(RuntimeError):
    """A TFJob that could not be created, was lost or has failed; the message is one line."""


def run(name: str, options: JobOptions, command: Sequence[str]) -> None:
    """Runs a command in every worker of a TFJob, and returns when it has succeeded.

    A job of that name, left by an earlier attempt, is deleted first. The job is deleted in the end,
    also by a failure, Ctrl-C or SIGTERM. The workers' logs are printed.

    Args:
        name: of the job, in the namespace of this pod: at most 50 characters, since names of pods
            are made of it.
        options: the pods.
        command: of their one container.

    Raises:
        TFJobError: the job cannot be created, a worker has failed, or the job was deleted.
        SystemExit: on SIGTERM.
    """
    job = _TFJob(name, _connect())
    with exit_on_sigterm():
        job.delete_earlier()
        job.create(_body(name, options, command))
        try:
            job.wait()
        finally:
            job.delete()


def _connect() -> str:
    """Takes the credentials of this pod, outside of a cluster those of kubectl.

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
            # Pods stay until their logs are read.
            "runPolicy": {"cleanPodPolicy": "None", "ttlSecondsAfterFinished": TTL_SECONDS},
            "tfReplicaSpecs": {"Worker": workers},
        },
    }
    if POD_NAME in os.environ and POD_UID in os.environ:
        owner = {"name": os.environ[POD_NAME], "uid": os.environ[POD_UID]}
        body["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", **owner}]
    return body


class _TFJob:
    """One job: from its creation to its end."""

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._resource = (GROUP, VERSION, namespace, PLURAL)
        self._uid = ""
        self._jobs = client.CustomObjectsApi()
        self._core = client.CoreV1Api()
        self._logs: dict[str, _Log] = {}

    def delete_earlier(self) -> None:
        """Makes room for the job: its pods would write to the same files as an earlier one's."""
        deadline = time.monotonic() + REPLACE_SECONDS
        while (job := self._patiently(self._get)) is not None:
            if time.monotonic() > deadline:
                raise self._error("that of an earlier attempt is still there; delete it by hand")
            if "deletionTimestamp" not in job["metadata"]:
                self._say("deleting that of an earlier attempt, and waiting for its pods to end")
                self._patiently(self._delete, job["metadata"]["uid"])
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
                reason = "the cluster has no such resource: install Kubeflow's training operator"
            raise self._error(reason) from None
        self._uid = job["metadata"]["uid"]
        self._say("created")

    def wait(self) -> None:
        """Waits for the end of the job, and prints what the workers print."""
        told = ""
        while True:
            job = self._patiently(self._get)
            if job is None or job["metadata"]["uid"] != self._uid:
                raise self._error("it was deleted from outside while it ran")
            pods = self._patiently(self._list_pods)
            for pod in pods:
                self._logs.setdefault(pod.metadata.name, _Log(self._core, pod)).copy()
            conditions = {
                condition["type"]: condition
                for condition in job.get("status", {}).get("conditions") or []
                if condition["status"] == "True"
            }
            if "Succeeded" in conditions:
                return
            if "Failed" in conditions:
                message = conditions["Failed"].get("message") or "it has failed"
                raise self._error(self._failure(pods) or message)
            state = ", ".join(_state(pod) for pod in pods) or "no pods yet"
            if state != told:
                self._say(state)
                told = state
            time.sleep(POLL_SECONDS)

    def delete(self) -> None:
        """Deletes the job with its pods, whatever became of it; does not wait for their end."""
        try:
            self._delete(self._uid)
        except (ApiException, HTTPError) as error:
            self._say(f"it could not be deleted: {_reason(error)}")

    def _get(self) -> dict[str, Any] | None:
        try:
            return self._jobs.get_namespaced_custom_object(
                *self._resource, self._name, _request_timeout=REQUEST_SECONDS
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def _list_pods(self) -> list[client.V1Pod]:
        pods = self._core.list_namespaced_pod(
            self._namespace,
            label_selector=f"{NAME_LABEL}={self._name}",
            _request_timeout=REQUEST_SECONDS,
        )
        return sorted(pods.items, key=_index)

    def _delete(self, uid: str) -> None:
        # In the foreground: the job is there until its pods have ended. By its uid: another attempt
        # may have put a job of its own in the place of this one.
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

    def _failure(self, pods: Sequence[client.V1Pod]) -> str | None:
        """Tells the worker that failed first; the others fail because of it."""
        ends = [
            (status.state.terminated.finished_at, pod, status.state.terminated)
            for pod in pods
            for status in pod.status.container_statuses or []
            if status.state.terminated and status.state.terminated.exit_code
        ]
        if not ends:
            return None
        _, pod, end = min(ends, key=lambda end: end[0])
        last_line = self._logs[pod.metadata.name].last_line or end.reason
        return f"worker {_index(pod)} ended with code {end.exit_code} ({end.reason}): {last_line}"

    def _patiently(self, call: Callable[..., Any], *args: Any) -> Any:
        """Calls the API, again and again while its server is not to be reached."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call(*args)
            except (ApiException, HTTPError) as error:
                passing = isinstance(error, HTTPError) or error.status == 429 or error.status >= 500
                if not passing or time.monotonic() > deadline:
                    raise self._error(_reason(error)) from None
            time.sleep(POLL_SECONDS)

    def _say(self, text: str) -> None:
        print(f"  TFJob {self._namespace}/{self._name}: {text}", flush=True)

    def _error(self, text: str) -> TFJobError:
        return TFJobError(f"TFJob {self._namespace}/{self._name}: {text}")


class _Log:
    """What a worker prints, copied to this process's output line by line."""

    def __init__(self, core: client.CoreV1Api, pod: client.V1Pod) -> None:
        self.last_line = ""
        self._core = core
        self._pod = pod
        self._last_time = ""  # RFC 3339 with nine digits after the point: sorts as text
        self._asked: float | None = None

    def copy(self) -> None:
        """Prints the lines that are new."""
        since, now = None, time.monotonic()
        if self._asked is not None:
            since = int(now - self._asked) + LOG_OVERLAP_SECONDS
        try:
            response = self._core.read_namespaced_pod_log(
                self._pod.metadata.name,
                self._pod.metadata.namespace,
                container=CONTAINER,
                timestamps=True,
                since_seconds=since,
                _preload_content=False,
                _request_timeout=REQUEST_SECONDS,
            )
        except (ApiException, HTTPError):
            return  # not started yet, or not to be reached: asked again with the next poll
        self._asked = now
        for line in response.data.decode(errors="replace").splitlines():
            moment, _, text = line.partition(" ")
            if moment > self._last_time:
                self._last_time = moment
                self.last_line = text.strip() or self.last_line
                print(f"  worker {_index(self._pod)}: {text}", flush=True)


def _index(pod: client.V1Pod) -> int:
    return int(pod.metadata.labels[INDEX_LABEL])


def _state(pod: client.V1Pod) -> str:
    """The phase of a pod, and what keeps it from running."""
    status = pod.status
    reasons = [
        container.state.waiting.reason
        for container in status.container_statuses or []
        if container.state.waiting
    ] + [
        condition.message
        for condition in status.conditions or []
        if condition.type == "PodScheduled" and condition.status == "False"
    ]
    state = f"worker {_index(pod)} is {status.phase.lower()}"
    return f"{state} ({reasons[0]})" if reasons else state


def _reason(error: ApiException | HTTPError) -> str:
    """What the server says, else what the connection does."""
    if isinstance(error, HTTPError):
        return f"the API server does not answer: {error}"
    try:
        return json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        return f"the API server answers {error.status} {error.reason}"
